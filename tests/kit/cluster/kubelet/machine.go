// Package kubelet runs the real CPU, Memory and Topology Managers of a kubelet for a machine that does not exist.
package kubelet

import (
	"encoding/json"
	"fmt"
	"sort"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/utils/cpuset"
)

// Core is a physical core. L3 is the id of its last-level cache, nil where it is unknown.
type Core struct {
	Socket  int   `json:"socket"`
	L3      *int  `json:"l3"`
	Threads []int `json:"threads"`
}

// Zone is a NUMA node of the machine. Distances are in the order of Machine.Zones.
type Zone struct {
	ID          int              `json:"id"`
	MemoryBytes int64            `json:"memoryBytes"`
	Hugepages   map[string]int64 `json:"hugepages"`
	Distances   []uint64         `json:"distances"`
	Cores       []Core           `json:"cores"`
}

// Machine is the `machine` object of the golden format and of the annotation fastfit.dev/machine.
type Machine struct {
	Sockets int    `json:"sockets"`
	Zones   []Zone `json:"numa"`
}

// MemoryReservation is one entry of the kubelet's reservedMemory.
type MemoryReservation struct {
	NUMANode int32                        `json:"numaNode"`
	Limits   map[string]resource.Quantity `json:"limits"`
}

// Config is the `kubelet` object of the golden format and of the annotation fastfit.dev/kubelet.
// ReservedCPUCount counts only where ReservedSystemCPUs is empty.
type Config struct {
	TopologyManagerPolicy        string              `json:"topologyManagerPolicy"`
	TopologyManagerScope         string              `json:"topologyManagerScope"`
	TopologyManagerPolicyOptions map[string]string   `json:"topologyManagerPolicyOptions"`
	CPUManagerPolicy             string              `json:"cpuManagerPolicy"`
	CPUManagerPolicyOptions      map[string]string   `json:"cpuManagerPolicyOptions"`
	MemoryManagerPolicy          string              `json:"memoryManagerPolicy"`
	ReservedMemory               []MemoryReservation `json:"reservedMemory"`
	ReservedSystemCPUs           string              `json:"reservedSystemCPUs"`
	ReservedCPUCount             int                 `json:"reservedCPUCount"`
}

// CPUs returns the logical CPUs of the zone.
func (z *Zone) CPUs() cpuset.CPUSet {
	var ids []int
	for _, core := range z.Cores {
		ids = append(ids, core.Threads...)
	}
	return cpuset.New(ids...)
}

// MemoryCapacity returns what the zone has of each memory type, in bytes; "memory" excludes the huge pages.
func (z *Zone) MemoryCapacity() (map[v1.ResourceName]int64, error) {
	capacity := map[v1.ResourceName]int64{v1.ResourceMemory: z.MemoryBytes}
	for size, pages := range z.Hugepages {
		page, err := resource.ParseQuantity(size)
		if err != nil {
			return nil, fmt.Errorf("zone %d: page size %q: %w", z.ID, size, err)
		}
		capacity[v1.ResourceName(v1.ResourceHugePagesPrefix+size)] = pages * page.Value()
		capacity[v1.ResourceMemory] -= pages * page.Value()
	}
	return capacity, nil
}

// CPUCount returns the number of logical CPUs of the machine.
func (m *Machine) CPUCount() int {
	count := 0
	for i := range m.Zones {
		count += m.Zones[i].CPUs().Size()
	}
	return count
}

// describe fills info, a *MachineInfo, with what cadvisor would have found on the machine. It goes by the JSON form,
// which is the same in every release, unlike the Go package.
func (m *Machine) describe(info any) error {
	type object = map[string]any
	var topology []object
	logical, physical, total := 0, 0, int64(0)
	for i := range m.Zones {
		zone := &m.Zones[i]
		hugepages, cores := []object{}, []object{}
		for _, size := range sortedKeys(zone.Hugepages) {
			page, err := resource.ParseQuantity(size)
			if err != nil {
				return fmt.Errorf("zone %d: page size %q: %w", zone.ID, size, err)
			}
			hugepages = append(hugepages, object{"page_size": page.Value() / 1024, "num_pages": zone.Hugepages[size]})
		}
		for id, core := range zone.Cores {
			caches := []object{}
			if core.L3 != nil {
				caches = append(caches, object{"id": *core.L3})
			}
			cores = append(cores, object{
				"core_id": id, "thread_ids": core.Threads, "socket_id": core.Socket, "uncore_caches": caches,
			})
			logical += len(core.Threads)
			physical++
		}
		topology = append(topology, object{
			"node_id": zone.ID, "memory": zone.MemoryBytes, "distances": zone.Distances,
			"hugepages": hugepages, "cores": cores,
		})
		total += zone.MemoryBytes
	}
	content, err := json.Marshal(object{
		"num_cores": logical, "num_physical_cores": physical, "num_sockets": m.Sockets,
		"memory_capacity": total, "topology": topology,
	})
	if err != nil {
		return err
	}
	return json.Unmarshal(content, info)
}

// ReservedCPUs returns the explicit set of reserved CPUs (empty: the CPU Manager chooses) and their number.
func (c *Config) ReservedCPUs() (cpuset.CPUSet, int, error) {
	explicit, err := cpuset.Parse(c.ReservedSystemCPUs)
	if err != nil {
		return cpuset.New(), 0, fmt.Errorf("reservedSystemCPUs %q: %w", c.ReservedSystemCPUs, err)
	}
	if explicit.IsEmpty() {
		return explicit, c.ReservedCPUCount, nil
	}
	return explicit, explicit.Size(), nil
}

// Reserved returns what the node keeps for itself: the sums that kube-reserved, system-reserved and hard eviction
// would have to give for this configuration to start.
func (c *Config) Reserved() (v1.ResourceList, error) {
	_, cpus, err := c.ReservedCPUs()
	if err != nil {
		return nil, err
	}
	reserved := v1.ResourceList{v1.ResourceCPU: *resource.NewQuantity(int64(cpus), resource.DecimalSI)}
	for _, entry := range c.ReservedMemory {
		for name, amount := range entry.Limits {
			sum := reserved[v1.ResourceName(name)]
			sum.Add(amount)
			reserved[v1.ResourceName(name)] = sum
		}
	}
	return reserved, nil
}

func (c *Config) memoryReservations() []kubeletconfig.MemoryReservation {
	var reservations []kubeletconfig.MemoryReservation
	for _, entry := range c.ReservedMemory {
		limits := v1.ResourceList{}
		for name, amount := range entry.Limits {
			limits[v1.ResourceName(name)] = amount
		}
		reservations = append(reservations, kubeletconfig.MemoryReservation{NumaNode: entry.NUMANode, Limits: limits})
	}
	return reservations
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
