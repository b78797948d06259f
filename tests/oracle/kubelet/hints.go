package main

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager/bitmask"
)

// givenHint is one entry of a list of hints as a scenario spells it.
type givenHint struct {
	Zones     []int `json:"numa"`
	Preferred bool  `json:"preferred"`
}

// givenHints is a topologymanager.HintProvider that answers what the scenario says, pod by pod, in place of the
// Device Manager. It allocates nothing.
type givenHints struct {
	byPod map[string]map[string][]topologymanager.TopologyHint
}

// set notes the hints of a pod: a nil list is no preference, an empty one cannot be met.
func (g *givenHints) set(uid string, lists map[string][]givenHint) error {
	hints := map[string][]topologymanager.TopologyHint{}
	for resource, list := range lists {
		if list == nil {
			hints[resource] = nil
			continue
		}
		hints[resource] = []topologymanager.TopologyHint{}
		for _, entry := range list {
			mask, err := bitmask.NewBitMask(entry.Zones...)
			if err != nil {
				return err
			}
			hints[resource] = append(hints[resource],
				topologymanager.TopologyHint{NUMANodeAffinity: mask, Preferred: entry.Preferred})
		}
	}
	g.byPod[uid] = hints
	return nil
}

func (g *givenHints) GetTopologyHints(pod *v1.Pod, _ *v1.Container) map[string][]topologymanager.TopologyHint {
	return g.byPod[string(pod.UID)]
}

func (g *givenHints) GetPodTopologyHints(pod *v1.Pod) map[string][]topologymanager.TopologyHint {
	return g.byPod[string(pod.UID)]
}

func (*givenHints) Allocate(*v1.Pod, *v1.Container) error { return nil }

func (*givenHints) AllocatePod(*v1.Pod) error { return nil }
