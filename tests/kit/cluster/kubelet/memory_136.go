//go:build !k8s133 && !k8s134 && !k8s137

package kubelet

import (
	"k8s.io/kubernetes/pkg/kubelet/cm/memorymanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/memorymanager/state"
)

// This file holds what the kubelet packages of 1.35 and 1.36 declare differently from those of 1.34 and of 1.37.

func allocatableMemory(manager memorymanager.Manager) []state.Block {
	return manager.GetAllocatableMemory()
}

func memoryBlocks(manager memorymanager.Manager, uid, container string) []state.Block {
	return manager.GetMemory(uid, container)
}
