package main

import (
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager/bitmask"
)

// givenHint is one entry of a list of hints as a scenario spells it.
type givenHint struct {
	Zones     []int `json:"numa"`
	Preferred bool  `json:"preferred"`
}

// hintLists reads the `deviceHints` of a pod, which stand for the answer of its Device Manager. A nil list (no
// preference) stays nil and an empty one (cannot be met) empty.
func hintLists(given map[string][]givenHint) (map[string][]topologymanager.TopologyHint, error) {
	lists := map[string][]topologymanager.TopologyHint{}
	for resource, entries := range given {
		if entries == nil {
			lists[resource] = nil
			continue
		}
		lists[resource] = make([]topologymanager.TopologyHint, 0, len(entries))
		for _, entry := range entries {
			mask, err := bitmask.NewBitMask(entry.Zones...)
			if err != nil {
				return nil, err
			}
			lists[resource] = append(lists[resource],
				topologymanager.TopologyHint{NUMANodeAffinity: mask, Preferred: entry.Preferred})
		}
	}
	return lists, nil
}
