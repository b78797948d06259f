//go:build k8s134

package kubelet

import (
	"context"

	v1 "k8s.io/api/core/v1"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubelet/cm/containermap"
	"k8s.io/kubernetes/pkg/kubelet/cm/memorymanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/memorymanager/state"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
)

// This file holds what the kubelet packages of 1.34 alone declare so.

func newMemoryManager[Info any](
	create func(context.Context, string, *Info, v1.ResourceList, []kubeletconfig.MemoryReservation, string,
		topologymanager.Store) (memorymanager.Manager, error),
	config *Config, info *Info, reserved v1.ResourceList, stateDir string, store topologymanager.Store,
) (memorymanager.Manager, error) {
	return create(context.Background(), config.MemoryManagerPolicy, info, reserved, config.memoryReservations(), stateDir, store)
}

func startMemoryManager(manager memorymanager.Manager, active func() []*v1.Pod, stubs stubs) error {
	return manager.Start(context.Background(), active, stubs, stubs, stubs, containermap.NewContainerMap())
}

func addToMemoryManager(manager memorymanager.Manager, pod *v1.Pod, container *v1.Container, id string) {
	manager.AddContainer(context.Background(), pod, container, id)
}

func allocatableMemory(manager memorymanager.Manager) []state.Block {
	return manager.GetAllocatableMemory(context.Background())
}

func memoryBlocks(manager memorymanager.Manager, uid, container string) []state.Block {
	return manager.GetMemory(context.Background(), uid, container)
}
