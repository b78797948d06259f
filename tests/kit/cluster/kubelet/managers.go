package kubelet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/kubernetes/pkg/features"
	"k8s.io/kubernetes/pkg/kubelet/cm/cpumanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/memorymanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
	"k8s.io/utils/cpuset"
)

// never is the period of the CPU Manager's reconcile loop: there are no cgroups to reconcile, and the sweep that the
// loop also does happens before every allocation anyway.
const never = 1000 * time.Hour

// EnableAlphaOptions turns the alpha policy options of the CPU Manager on. Feature gates belong to the process.
func EnableAlphaOptions() error {
	return utilfeature.DefaultMutableFeatureGate.SetFromMap(map[string]bool{
		string(features.CPUManagerPolicyAlphaOptions): true,
	})
}

// Block is memory of one type that a container holds in a set of zones, in bytes.
type Block struct {
	Resource string `json:"resource"`
	Zones    []int  `json:"numa"`
	Bytes    uint64 `json:"bytes"`
}

// Holdings is what one container was given. Hint is nil where no zone was singled out.
type Holdings struct {
	CPUs      string                 `json:"cpus"`
	Hint      []int                  `json:"hint"`
	Preferred bool                   `json:"preferred"`
	Memory    []Block                `json:"memory"`
	Devices   map[string]map[int]int `json:"devices,omitempty"`
}

// Managers are the resource managers of one simulated node. They are not safe for concurrent use: a kubelet admits
// one pod at a time.
type Managers struct {
	topology topologymanager.Manager
	cpu      cpumanager.Manager
	memory   memorymanager.Manager
	devices  *deviceManager
	// active are the pods that may hold resources, the one being admitted included. The CPU Manager's loop reads it
	// from a goroutine of its own, so the slice is replaced and never changed.
	active atomic.Pointer[[]*v1.Pod]
	// ready is false while the pods of before a restart are admitted again; nothing is swept until then.
	ready atomic.Bool
}

// New starts the managers of a node. Their state files live in stateDir; files that are already there are taken as
// the state from before a restart.
func New(config *Config, machine *Machine, devices map[string]map[int]int, stateDir string) (*Managers, error) {
	info := machineInfoFor(cpumanager.NewManager)
	if err := machine.describe(info); err != nil {
		return nil, err
	}
	explicit, _, err := config.ReservedCPUs()
	if err != nil {
		return nil, err
	}
	reserved, err := config.Reserved()
	if err != nil {
		return nil, err
	}
	m := &Managers{}
	m.setActive(nil)
	m.topology, err = newTopologyManager(topologymanager.NewManager, info.Topology, config)
	if err != nil {
		return nil, fmt.Errorf("topology manager: %w", err)
	}
	m.cpu, err = newCPUManager(cpumanager.NewManager, config, info, explicit, reserved, stateDir, m.topology)
	if err != nil {
		return nil, fmt.Errorf("cpu manager: %w", err)
	}
	m.memory, err = newMemoryManager(memorymanager.NewManager, config, info, reserved, stateDir, m.topology)
	if err != nil {
		return nil, fmt.Errorf("memory manager: %w", err)
	}
	m.devices = newDeviceManager(devices, m.topology, m.Active)
	// The order of the kubelet's container manager: it decides which allocator fails first.
	for _, provider := range []topologymanager.HintProvider{deviceProvider{m.devices}, m.cpu, m.memory} {
		addHintProvider(m.topology, provider)
	}
	looked := make(chan struct{})
	stubs := stubs{&m.ready, sync.OnceFunc(func() { close(looked) })}
	if err := startCPUManager(m.cpu, m.Active, stubs); err != nil {
		return nil, fmt.Errorf("cpu manager: %w", err)
	}
	if config.CPUManagerPolicy == string(cpumanager.PolicyStatic) {
		// The first round of the loop must not fall between two admissions: it would sweep at a moment of its own.
		<-looked
	}
	if err := startMemoryManager(m.memory, m.Active, stubs); err != nil {
		return nil, fmt.Errorf("memory manager: %w", err)
	}
	return m, nil
}

// SetReady says that all pods of before a restart were seen: from now on what nobody holds is swept.
func (m *Managers) SetReady() { m.ready.Store(true) }

// GiveHints sets the hints of a pod's devices, in place of those that counting devices would give: a nil list is no
// preference, an empty one cannot be met.
func (m *Managers) GiveHints(uid types.UID, hints map[string][]topologymanager.TopologyHint) {
	m.devices.given[string(uid)] = hints
}

// Active returns the pods that may hold resources.
func (m *Managers) Active() []*v1.Pod { return *m.active.Load() }

// Admit asks the Topology Manager, which also allocates, and then the further handlers, as the kubelet's admission
// chain does. A refused pod is no longer active when Admit returns; what it got so far stays until the next sweep.
func (m *Managers) Admit(pod *v1.Pod, further ...lifecycle.PodAdmitHandler) lifecycle.PodAdmitResult {
	others := m.Active()
	attributes := attributesOf(pod, others)
	m.setActive(append(slices.Clone(others), pod))
	for _, handler := range append([]lifecycle.PodAdmitHandler{m.topology}, further...) {
		if result := admit(handler, attributes); !result.Admit {
			m.deactivate(pod.UID)
			return result
		}
	}
	return lifecycle.PodAdmitResult{Admit: true}
}

// Start tells the managers that the pod's containers start one after another. The Memory Manager then gives back the
// memory of the regular init containers that ended before.
func (m *Managers) Start(pod *v1.Pod) {
	for _, container := range containers(pod) {
		id := containerID(pod, container)
		addToCPUManager(m.cpu, pod, container, id)
		addToMemoryManager(m.memory, pod, container, id)
		addContainer(m.topology, pod, container, id)
	}
}

// Release forgets a pod that ended. The managers sweep what it held before their next allocation.
func (m *Managers) Release(pod *v1.Pod) error {
	m.deactivate(pod.UID)
	for _, container := range containers(pod) {
		if err := removeContainer(m.topology, containerID(pod, container)); err != nil {
			return fmt.Errorf("pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
	}
	return nil
}

// Holdings returns what each container of the pod holds, by container name.
func (m *Managers) Holdings(pod *v1.Pod) map[string]Holdings {
	holdings := map[string]Holdings{}
	uid := string(pod.UID)
	for _, container := range containers(pod) {
		hint := affinityOf(m.topology, uid, container.Name)
		held := Holdings{
			CPUs:      m.cpu.GetExclusiveCPUs(uid, container.Name).String(),
			Preferred: hint.Preferred,
			Memory:    []Block{},
			Devices:   m.devices.heldBy(uid, container.Name),
		}
		if hint.NUMANodeAffinity != nil {
			held.Hint = hint.NUMANodeAffinity.GetBits()
		}
		held.Memory = append(held.Memory, m.memoryOf(uid, container.Name)...)
		holdings[container.Name] = held
	}
	return holdings
}

// PodCPUs returns the exclusive CPUs of all containers of the pod, those of finished init containers included.
func (m *Managers) PodCPUs(pod *v1.Pod) cpuset.CPUSet {
	cpus := cpuset.New()
	for _, container := range containers(pod) {
		cpus = cpus.Union(m.cpu.GetExclusiveCPUs(string(pod.UID), container.Name))
	}
	return cpus
}

// PodMemory returns the memory blocks of all containers of the pod.
func (m *Managers) PodMemory(pod *v1.Pod) []Block {
	var blocks []Block
	for _, container := range containers(pod) {
		blocks = append(blocks, m.memoryOf(string(pod.UID), container.Name)...)
	}
	return blocks
}

// memoryOf sorts the blocks of a container: the Memory Manager makes them in the order of a map.
func (m *Managers) memoryOf(uid, container string) []Block {
	var blocks []Block
	for _, block := range memoryBlocks(m.memory, uid, container) {
		blocks = append(blocks, Block{string(block.Type), block.NUMAAffinity, block.Size})
	}
	slices.SortFunc(blocks, func(a, b Block) int { return strings.Compare(a.Resource, b.Resource) })
	return blocks
}

// PodDevices returns the devices that the pod keeps from others: resource -> zone -> number.
func (m *Managers) PodDevices(pod *v1.Pod) map[string]map[int]int {
	return m.devices.usedByPod(string(pod.UID))
}

// AllocatableCPUs returns the CPUs that may become exclusive; none without the static policy.
func (m *Managers) AllocatableCPUs() cpuset.CPUSet { return m.cpu.GetAllocatableCPUs() }

// AllocatableMemory returns bytes by zone and memory type; empty without the Static policy.
func (m *Managers) AllocatableMemory() map[int]map[string]uint64 {
	memory := map[int]map[string]uint64{}
	for _, block := range allocatableMemory(m.memory) {
		for _, zone := range block.NUMAAffinity {
			if memory[zone] == nil {
				memory[zone] = map[string]uint64{}
			}
			memory[zone][string(block.Type)] += block.Size
		}
	}
	return memory
}

func (m *Managers) setActive(pods []*v1.Pod) { m.active.Store(&pods) }

func (m *Managers) deactivate(uid types.UID) {
	m.setActive(slices.DeleteFunc(slices.Clone(m.Active()), func(pod *v1.Pod) bool { return pod.UID == uid }))
}

// containers lists a pod's containers in the order in which the kubelet admits them.
func containers(pod *v1.Pod) []*v1.Container {
	var all []*v1.Container
	for i := range pod.Spec.InitContainers {
		all = append(all, &pod.Spec.InitContainers[i])
	}
	for i := range pod.Spec.Containers {
		all = append(all, &pod.Spec.Containers[i])
	}
	return all
}

func containerID(pod *v1.Pod, container *v1.Container) string {
	return string(pod.UID) + "/" + container.Name
}

// stubs are the parts of a kubelet that the managers call and that do nothing here.
type stubs struct {
	ready *atomic.Bool
	// looked is called whenever a manager wants to know whether all pods were seen.
	looked func()
}

func (stubs) AddSource(string)                            {}
func (stubs) GetPodStatus(types.UID) (v1.PodStatus, bool) { return v1.PodStatus{}, false }
func (s stubs) AllReady() bool {
	ready := s.ready.Load()
	s.looked()
	return ready
}
func (stubs) UpdateContainerResources(context.Context, string, *runtimeapi.ContainerResources) error {
	return nil
}
