package hollow

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fastfit.dev/testcluster/kubelet"
)

// amounts are one resource of one zone, as exporters publish it.
type amounts struct {
	capacity, allocatable, available int64
}

// zoneReport computes what an exporter on the node would see of every zone, from the managers as podresources shows
// them: GetAllocatable less List. With asNFD it leaves out every pod that has a container with a fractional CPU
// (node-feature-discovery#1978) and the regular init containers' share, which List does not name.
func zoneReport(spec *Spec, managers *kubelet.Managers, asNFD bool) (map[int]map[string]*amounts, error) {
	report := map[int]map[string]*amounts{}
	zoneOf := map[int]int{}
	allocatableCPUs, allocatableMemory := managers.AllocatableCPUs(), managers.AllocatableMemory()
	for i := range spec.machine.Zones {
		zone := &spec.machine.Zones[i]
		resources := map[string]*amounts{}
		report[zone.ID] = resources
		cpus := zone.CPUs()
		for _, cpu := range cpus.UnsortedList() {
			zoneOf[cpu] = zone.ID
		}
		allocatable := int64(cpus.Intersection(allocatableCPUs).Size())
		resources["cpu"] = &amounts{int64(cpus.Size()), allocatable, allocatable}
		capacity, err := zone.MemoryCapacity()
		if err != nil {
			return nil, err
		}
		for name, bytes := range allocatableMemory[zone.ID] {
			total := capacity[v1.ResourceName(name)]
			if name == string(v1.ResourceMemory) {
				// Exporters read MemTotal of the zone, which the huge pages are part of.
				total = zone.MemoryBytes
			}
			resources[name] = &amounts{total, int64(bytes), int64(bytes)}
		}
	}
	for name, perZone := range spec.Devices {
		for zone, count := range perZone {
			if report[zone] == nil {
				return nil, fmt.Errorf("device %q: the machine has no zone %d", name, zone)
			}
			report[zone][name] = &amounts{int64(count), int64(count), int64(count)}
		}
	}
	for _, pod := range managers.Active() {
		if asNFD && hasFractionalCPU(pod) {
			continue
		}
		listed := pod
		if asNFD {
			listed = withoutRegularInit(pod)
		}
		for _, cpu := range managers.PodCPUs(listed).UnsortedList() {
			report[zoneOf[cpu]]["cpu"].available--
		}
		for _, block := range managers.PodMemory(listed) {
			subtractBlock(report, block)
		}
		for name, perZone := range managers.PodDevices(pod) {
			for zone, count := range perZone {
				report[zone][name].available -= int64(count)
			}
		}
	}
	return report, nil
}

// subtractBlock empties the zones of a block in ascending order, which is how the Memory Manager accounts it.
func subtractBlock(report map[int]map[string]*amounts, block kubelet.Block) {
	zones := append([]int(nil), block.Zones...)
	sort.Ints(zones)
	rest := int64(block.Bytes)
	for _, zone := range zones {
		if held := report[zone][block.Resource]; held != nil {
			taken := min(rest, held.available)
			held.available -= taken
			rest -= taken
		}
	}
}

// topologyObject builds the NodeResourceTopology of a node.
func topologyObject(spec *Spec, managers *kubelet.Managers, asNFD, withFingerprint bool) (*unstructured.Unstructured, error) {
	report, err := zoneReport(spec, managers, asNFD)
	if err != nil {
		return nil, fmt.Errorf("node %q: %w", spec.Name, err)
	}
	var zones []any
	for _, zone := range spec.machine.Zones {
		zones = append(zones, map[string]any{
			"name":      zoneName(zone.ID),
			"type":      "Node",
			"costs":     zoneCosts(&spec.machine, &zone),
			"resources": zoneResources(report[zone.ID]),
		})
	}
	attributes := []any{
		attribute("topologyManagerPolicy", spec.config.TopologyManagerPolicy),
		attribute("topologyManagerScope", spec.config.TopologyManagerScope),
	}
	if active := managers.Active(); withFingerprint && len(active) > 0 {
		attributes = append(attributes, attribute("nodeTopologyPodsFingerprint", fingerprint(active)))
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion":       topologyGVR.Group + "/" + topologyGVR.Version,
		"kind":             "NodeResourceTopology",
		"metadata":         map[string]any{"name": spec.Name},
		"topologyPolicies": []any{legacyPolicy(&spec.config)},
		"attributes":       attributes,
		"zones":            zones,
	}}, nil
}

func zoneName(id int) string { return "node-" + strconv.Itoa(id) }

func attribute(name, value string) map[string]any {
	return map[string]any{"name": name, "value": value}
}

func zoneCosts(machine *kubelet.Machine, zone *kubelet.Zone) []any {
	costs := []any{}
	for i, distance := range zone.Distances {
		costs = append(costs, map[string]any{"name": zoneName(machine.Zones[i].ID), "value": int64(distance)})
	}
	return costs
}

func zoneResources(resources map[string]*amounts) []any {
	var names []string
	for name := range resources {
		names = append(names, name)
	}
	sort.Strings(names)
	list := []any{}
	for _, name := range names {
		list = append(list, map[string]any{
			"name":        name,
			"capacity":    strconv.FormatInt(resources[name].capacity, 10),
			"allocatable": strconv.FormatInt(resources[name].allocatable, 10),
			"available":   strconv.FormatInt(resources[name].available, 10),
		})
	}
	return list
}

// legacyPolicy is the value of the deprecated field topologyPolicies, policy and scope in one word.
func legacyPolicy(config *kubelet.Config) string {
	names := map[string]string{
		"best-effort": "BestEffort", "restricted": "Restricted", "single-numa-node": "SingleNUMANode",
	}
	name, known := names[config.TopologyManagerPolicy]
	switch {
	case !known:
		return "None"
	case config.TopologyManagerScope == "pod":
		return name + "PodLevel"
	}
	return name + "ContainerLevel"
}

func hasFractionalCPU(pod *v1.Pod) bool {
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			if cpu, given := list[i].Resources.Requests[v1.ResourceCPU]; given && cpu.MilliValue()%1000 != 0 {
				return true
			}
		}
	}
	return false
}

// withoutRegularInit returns the pod as podresources lists it.
func withoutRegularInit(pod *v1.Pod) *v1.Pod {
	listed := pod.DeepCopy()
	listed.Spec.InitContainers = nil
	for _, container := range pod.Spec.InitContainers {
		if container.RestartPolicy != nil && *container.RestartPolicy == v1.ContainerRestartPolicyAlways {
			listed.Spec.InitContainers = append(listed.Spec.InitContainers, container)
		}
	}
	return listed
}

// parseMode checks a value of --nrt or of a node's own "nrt".
func parseMode(mode string) error {
	if mode == modeNone || mode == modeExact || mode == modeNFD {
		return nil
	}
	return fmt.Errorf("nrt mode %q: one of %s", mode, strings.Join([]string{modeNone, modeExact, modeNFD}, ", "))
}
