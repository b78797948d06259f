//go:build !k8s137

package kubelet

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
)

// This file holds what the kubelet packages of 1.33 to 1.36 declare differently from those of 1.37.

func newTopologyManager[Node any](
	create func([]Node, string, string, map[string]string) (topologymanager.Manager, error), nodes []Node, config *Config,
) (topologymanager.Manager, error) {
	return create(nodes, config.TopologyManagerPolicy, config.TopologyManagerScope, config.TopologyManagerPolicyOptions)
}

func admit(handler lifecycle.PodAdmitHandler, attributes *lifecycle.PodAdmitAttributes) lifecycle.PodAdmitResult {
	return handler.Admit(attributes)
}

func affinityOf(store topologymanager.Store, uid, container string) topologymanager.TopologyHint {
	return store.GetAffinity(uid, container)
}

func addContainer(manager topologymanager.Manager, pod *v1.Pod, container *v1.Container, id string) {
	manager.AddContainer(pod, container, id)
}

func removeContainer(manager topologymanager.Manager, id string) error {
	return manager.RemoveContainer(id)
}

// deviceProvider shows the device manager to the Topology Manager.
type deviceProvider struct{ devices *deviceManager }

func (p deviceProvider) GetTopologyHints(pod *v1.Pod, container *v1.Container) map[string][]topologymanager.TopologyHint {
	return p.devices.containerHints(pod, container)
}

func (p deviceProvider) GetPodTopologyHints(pod *v1.Pod) map[string][]topologymanager.TopologyHint {
	return p.devices.podHints(pod)
}

func (p deviceProvider) Allocate(pod *v1.Pod, container *v1.Container) error {
	return p.devices.allocate(pod, container)
}

// AllocatePod does nothing: devices are always given to containers.
func (p deviceProvider) AllocatePod(*v1.Pod) error { return nil }
