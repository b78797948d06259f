package kubelet

import (
	"fmt"
	"slices"
	"sort"

	v1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager/bitmask"
)

// device is one allocatable device of a resource; every device sits in exactly one zone.
type device struct {
	zone, index int
}

// holder names a container of a pod.
type holder struct {
	pod, container string
}

// deviceManager stands in for the kubelet's Device Manager, whose real constructor wants a fixed socket path and
// gRPC endpoints. It gives hints and takes devices by the same rules (cm/devicemanager/topology_hints.go and
// manager.go) with two simplifications: all devices are healthy, and where the real one picks in the order of a Go
// map this one picks the lowest zone and index.
type deviceManager struct {
	// devices of each resource, in ascending zone.
	devices map[string][]device
	held    map[holder]map[string][]device
	// reusable are the devices that regular init containers of the pod leave behind.
	reusable map[string]map[string][]device
	// given are the hints that were set for a pod.
	given      map[string]map[string][]topologymanager.TopologyHint
	affinity   topologymanager.Store
	activePods func() []*v1.Pod
}

func newDeviceManager(counts map[string]map[int]int, affinity topologymanager.Store, activePods func() []*v1.Pod) *deviceManager {
	m := &deviceManager{
		devices:    map[string][]device{},
		held:       map[holder]map[string][]device{},
		reusable:   map[string]map[string][]device{},
		given:      map[string]map[string][]topologymanager.TopologyHint{},
		affinity:   affinity,
		activePods: activePods,
	}
	for name, perZone := range counts {
		for zone, count := range perZone {
			for index := range count {
				m.devices[name] = append(m.devices[name], device{zone, index})
			}
		}
		sortDevices(m.devices[name])
	}
	return m
}

func (m *deviceManager) containerHints(pod *v1.Pod, container *v1.Container) map[string][]topologymanager.TopologyHint {
	if given, set := m.given[string(pod.UID)]; set {
		return given
	}
	m.sweep()
	hints := map[string][]topologymanager.TopologyHint{}
	for name, request := range m.requests(container.Resources.Limits) {
		reusable := m.reusable[string(pod.UID)][name]
		hints[name] = m.hints(name, m.free(name), reusable, request)
	}
	return hints
}

func (m *deviceManager) podHints(pod *v1.Pod) map[string][]topologymanager.TopologyHint {
	if given, set := m.given[string(pod.UID)]; set {
		return given
	}
	m.sweep()
	limits := resource.PodLimits(pod, resource.PodResourcesOptions{ExcludeOverhead: true})
	hints := map[string][]topologymanager.TopologyHint{}
	for name, request := range m.requests(limits) {
		hints[name] = m.hints(name, m.free(name), nil, request)
	}
	return hints
}

// allocate gives devices to a container by the hint that the Topology Manager settled on.
func (m *deviceManager) allocate(pod *v1.Pod, container *v1.Container) error {
	m.sweep()
	uid := string(pod.UID)
	for other := range m.reusable {
		if other != uid {
			delete(m.reusable, other)
		}
	}
	if m.reusable[uid] == nil {
		m.reusable[uid] = map[string][]device{}
	}
	requests := m.requests(container.Resources.Limits)
	for _, name := range sortedKeys(requests) {
		taken, err := m.take(uid, container.Name, name, requests[name])
		if err != nil {
			return err
		}
		key := holder{uid, container.Name}
		if m.held[key] == nil {
			m.held[key] = map[string][]device{}
		}
		m.held[key][name] = taken
		left := slices.DeleteFunc(slices.Clone(m.reusable[uid][name]), func(d device) bool { return slices.Contains(taken, d) })
		if isRegularInit(pod, container.Name) {
			left = append(left, taken...)
			sortDevices(left)
		}
		m.reusable[uid][name] = left
	}
	return nil
}

// heldBy returns the devices of a container: resource -> zone -> number; nil where it has none.
func (m *deviceManager) heldBy(uid, container string) map[string]map[int]int {
	var held map[string]map[int]int
	for name, devices := range m.held[holder{uid, container}] {
		for _, d := range devices {
			if held == nil {
				held = map[string]map[int]int{}
			}
			if held[name] == nil {
				held[name] = map[int]int{}
			}
			held[name][d.zone]++
		}
	}
	return held
}

// usedByPod returns the devices that a pod keeps from others: resource -> zone -> number.
func (m *deviceManager) usedByPod(uid string) map[string]map[int]int {
	distinct := map[string]map[device]bool{}
	for key, resources := range m.held {
		if key.pod != uid {
			continue
		}
		for name, devices := range resources {
			if distinct[name] == nil {
				distinct[name] = map[device]bool{}
			}
			for _, d := range devices {
				distinct[name][d] = true
			}
		}
	}
	used := map[string]map[int]int{}
	for name, devices := range distinct {
		used[name] = map[int]int{}
		for d := range devices {
			used[name][d.zone]++
		}
	}
	return used
}

// sweep drops what pods that are no longer active held.
func (m *deviceManager) sweep() {
	active := map[string]bool{}
	for _, pod := range m.activePods() {
		active[string(pod.UID)] = true
	}
	for key := range m.held {
		if !active[key.pod] {
			delete(m.held, key)
		}
	}
}

func (m *deviceManager) requests(limits v1.ResourceList) map[string]int {
	requests := map[string]int{}
	for name, amount := range limits {
		if _, known := m.devices[string(name)]; known {
			requests[string(name)] = int(amount.Value())
		}
	}
	return requests
}

func (m *deviceManager) free(name string) []device {
	taken := map[device]bool{}
	for _, resources := range m.held {
		for _, d := range resources[name] {
			taken[d] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(m.devices[name]), func(d device) bool { return taken[d] })
}

// hints enumerates the zones that host the resource. The minimal width counts all devices, taken ones included;
// a set of zones is offered if it contains every reusable device and enough devices are left in it.
func (m *deviceManager) hints(name string, free, reusable []device, request int) []topologymanager.TopologyHint {
	hints := []topologymanager.TopologyHint{}
	if len(free)+len(reusable) < request {
		return hints
	}
	var zones []int
	for _, d := range m.devices[name] {
		if !slices.Contains(zones, d.zone) {
			zones = append(zones, d.zone)
		}
	}
	width := len(zones)
	bitmask.IterateBitMasks(zones, func(mask bitmask.BitMask) {
		inside := func(devices []device) int {
			count := 0
			for _, d := range devices {
				if mask.IsSet(d.zone) {
					count++
				}
			}
			return count
		}
		if inside(m.devices[name]) >= request {
			width = min(width, mask.Count())
		}
		if inside(reusable) == len(reusable) && len(reusable)+inside(free) >= request {
			hints = append(hints, topologymanager.TopologyHint{NUMANodeAffinity: mask})
		}
	})
	for i := range hints {
		hints[i].Preferred = hints[i].NUMANodeAffinity.Count() == width
	}
	return hints
}

// take picks devices for a container: those left by init containers first, then those inside the hint.
func (m *deviceManager) take(uid, container, name string, request int) ([]device, error) {
	free := m.free(name)
	if aligned := affinityOf(m.affinity, uid, container).NUMANodeAffinity; aligned != nil {
		slices.SortStableFunc(free, func(a, b device) int { return order(aligned.IsSet(b.zone), aligned.IsSet(a.zone)) })
	}
	candidates := append(slices.Clone(m.reusable[uid][name]), free...)
	if len(candidates) < request {
		return nil, fmt.Errorf("requested number of devices unavailable for %s. Requested: %d, Available: %d",
			name, request, len(candidates))
	}
	taken := candidates[:request]
	sortDevices(taken)
	return taken, nil
}

func isRegularInit(pod *v1.Pod, container string) bool {
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		if c.Name == container {
			return c.RestartPolicy == nil || *c.RestartPolicy != v1.ContainerRestartPolicyAlways
		}
	}
	return false
}

func sortDevices(devices []device) {
	sort.Slice(devices, func(i, j int) bool {
		if devices[i].zone != devices[j].zone {
			return devices[i].zone < devices[j].zone
		}
		return devices[i].index < devices[j].index
	})
}

// order compares two truths, false first.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
