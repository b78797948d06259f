//go:build k8s133

package kubelet

import (
	v1 "k8s.io/api/core/v1"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubelet/cm/containermap"
	"k8s.io/kubernetes/pkg/kubelet/cm/memorymanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/memorymanager/state"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
)

// This file holds what the kubelet packages of 1.33 declare differently from those of 1.34.

func newMemoryManager[Info any](
	create func(string, *Info, v1.ResourceList, []kubeletconfig.MemoryReservation, string,
		topologymanager.Store) (memorymanager.Manager, error),
	config *Config, info *Info, reserved v1.ResourceList, stateDir string, store topologymanager.Store,
) (memorymanager.Manager, error) {
	return create(config.MemoryManagerPolicy, info, reserved, config.memoryReservations(), stateDir, store)
}

func startMemoryManager(manager memorymanager.Manager, active func() []*v1.Pod, stubs stubs) error {
	return manager.Start(active, stubs, stubs, stubs, containermap.NewContainerMap())
}

func addToMemoryManager(manager memorymanager.Manager, pod *v1.Pod, container *v1.Container, id string) {
	manager.AddContainer(pod, container, id)
}

func allocatableMemory(manager memorymanager.Manager) []state.Block {
	return manager.GetAllocatableMemory()
}

func memoryBlocks(manager memorymanager.Manager, uid, container string) []state.Block {
	return manager.GetMemory(uid, container)
}

// noRecovery never evicts a pod to make room for a critical one.
type noRecovery struct{}

func (noRecovery) HandleAdmissionFailure(
	_ *v1.Pod, reasons []lifecycle.PredicateFailureReason,
) ([]lifecycle.PredicateFailureReason, error) {
	return reasons, nil
}
