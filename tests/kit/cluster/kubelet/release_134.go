//go:build k8s133 || k8s134

package kubelet

import (
	"context"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/cm/containermap"
	"k8s.io/kubernetes/pkg/kubelet/cm/cpumanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/utils/cpuset"
)

// This file holds what the kubelet packages of 1.33 and 1.34 declare differently from those of 1.35.

// machineInfoFor returns an empty MachineInfo of the cadvisor package that the CPU Manager was built with: its import
// path is another one in every release.
func machineInfoFor[Info any](
	func(string, map[string]string, time.Duration, *Info, cpuset.CPUSet, v1.ResourceList, string,
		topologymanager.Store) (cpumanager.Manager, error),
) *Info {
	return new(Info)
}

func newCPUManager[Info any](
	create func(string, map[string]string, time.Duration, *Info, cpuset.CPUSet, v1.ResourceList, string,
		topologymanager.Store) (cpumanager.Manager, error),
	config *Config, info *Info, explicit cpuset.CPUSet, reserved v1.ResourceList, stateDir string,
	store topologymanager.Store,
) (cpumanager.Manager, error) {
	return create(config.CPUManagerPolicy, config.CPUManagerPolicyOptions, never, info, explicit, reserved,
		stateDir, store)
}

func startCPUManager(manager cpumanager.Manager, active func() []*v1.Pod, stubs stubs) error {
	return manager.Start(active, stubs, stubs, stubs, containermap.NewContainerMap())
}

func addToCPUManager(manager cpumanager.Manager, pod *v1.Pod, container *v1.Container, id string) {
	manager.AddContainer(pod, container, id)
}

func addHintProvider(manager topologymanager.Manager, provider topologymanager.HintProvider) {
	manager.AddHintProvider(provider)
}

// nodeGetter is how the handler of predicates asks for the node.
func nodeGetter(node func(context.Context, bool) (*v1.Node, error)) func() (*v1.Node, error) {
	return func() (*v1.Node, error) { return node(context.Background(), true) }
}
