// Package kubelet runs the real CPU, Memory and Topology Managers of a kubelet for a machine that does not exist.
package kubelet

import (
	"fmt"
	"sort"

	cadvisor "github.com/google/cadvisor/info/v1"
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

// cadvisorInfo says what cadvisor would have found on the machine.
func (m *Machine) cadvisorInfo() (*cadvisor.MachineInfo, error) {
	info := &cadvisor.MachineInfo{NumSockets: m.Sockets}
	for i := range m.Zones {
		zone := &m.Zones[i]
		node := cadvisor.Node{Id: zone.ID, Memory: uint64(zone.MemoryBytes), Distances: zone.Distances}
		for _, size := range sortedKeys(zone.Hugepages) {
			page, err := resource.ParseQuantity(size)
			if err != nil {
				return nil, fmt.Errorf("zone %d: page size %q: %w", zone.ID, size, err)
			}
			node.HugePages = append(node.HugePages, cadvisor.HugePagesInfo{
				PageSize: uint64(page.Value()) / 1024, NumPages: uint64(zone.Hugepages[size]),
			})
		}
		for id, core := range zone.Cores {
			described := cadvisor.Core{Id: id, Threads: core.Threads, SocketID: core.Socket}
			if core.L3 != nil {
				described.UncoreCaches = []cadvisor.Cache{{Id: *core.L3}}
			}
			node.Cores = append(node.Cores, described)
			info.NumCores += len(core.Threads)
			info.NumPhysicalCores++
		}
		info.MemoryCapacity += node.Memory
		info.Topology = append(info.Topology, node)
	}
	return info, nil
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
