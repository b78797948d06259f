package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	k8sv1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	v1 "kubevirt.io/api/core/v1"

	cmdv1 "kubevirt.io/kubevirt/pkg/handler-launcher-com/cmd/v1"
)

// question is a case without its answers.
type question struct {
	place
	Source *place `json:"source"`
	Target *place `json:"target"`
	VM     vm     `json:"vm"`
	Boot   *struct {
		Sockets        uint32 `json:"sockets"`
		EnabledSockets uint32 `json:"enabledSockets"`
	} `json:"boot"`
}

// place is a machine and the cpuset that the kubelet gave there.
type place struct {
	Machine machine `json:"machine"`
	CPUSet  string  `json:"cpuset"`
}

// node is a place as the launcher sees it.
type node struct {
	topology *cmdv1.Topology
	cpuset   []int
}

func (p place) read() (node, error) {
	cpus, err := parseCPUs(p.CPUSet)
	return node{p.Machine.topology(), cpus}, err
}

// parseCPUs reads a list such as "2-5,16" in ascending order, as the launcher reads its cgroup's cpuset.
func parseCPUs(text string) ([]int, error) {
	cpus := []int{}
	if text == "" {
		return cpus, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(low)
		last := first
		if err == nil && isRange {
			last, err = strconv.Atoi(high)
		}
		if err != nil {
			return nil, fmt.Errorf("cpuset %q: %w", text, err)
		}
		for cpu := first; cpu <= last; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	slices.Sort(cpus)
	// Without spare capacity: KubeVirt's slices of a cpuset that is too short must not reach into it.
	return slices.Clip(cpus), nil
}

// amount is a quantity, or a number of bytes.
type amount string

func (a *amount) UnmarshalJSON(text []byte) error {
	var number json.Number
	if err := json.Unmarshal(text, &number); err == nil {
		*a = amount(number)
		return nil
	}
	var quantity string
	err := json.Unmarshal(text, &quantity)
	*a = amount(quantity)
	return err
}

// vm is the `vm` object of a case.
type vm struct {
	Sockets          uint32 `json:"sockets"`
	Cores            uint32 `json:"cores"`
	Threads          uint32 `json:"threads"`
	Memory           amount `json:"memory"`
	PageSize         string `json:"pageSize"`
	IsolateEmulator  bool   `json:"isolateEmulatorThread"`
	Passthrough      bool   `json:"passthrough"`
	EvenParity       bool   `json:"evenParity"`
	MaxSockets       uint32 `json:"maxSockets"`
	SupplementalPool uint32 `json:"supplementalPoolThreadCount"`
	IOThreadsPolicy  string `json:"ioThreadsPolicy"`
	Disks            int    `json:"disks"`
}

// instance is the VirtualMachineInstance of the case, with as many sockets.
func (vm vm) instance(sockets uint32) (*v1.VirtualMachineInstance, error) {
	if sockets == 0 || vm.Cores == 0 || vm.Threads == 0 {
		return nil, errors.New("sockets, cores and threads must be at least 1")
	}
	guest, err := resource.ParseQuantity(string(vm.Memory))
	if err != nil {
		return nil, fmt.Errorf("memory %q: %w", vm.Memory, err)
	}
	vmi := &v1.VirtualMachineInstance{
		ObjectMeta: metav1.ObjectMeta{Name: "vm", Namespace: k8sv1.NamespaceDefault},
		Spec: v1.VirtualMachineInstanceSpec{
			Architecture: "amd64",
			Domain: v1.DomainSpec{
				CPU: &v1.CPU{
					Sockets:               sockets,
					Cores:                 vm.Cores,
					Threads:               vm.Threads,
					MaxSockets:            vm.MaxSockets,
					DedicatedCPUPlacement: true,
					IsolateEmulatorThread: vm.IsolateEmulator,
				},
				Memory: &v1.Memory{Guest: &guest},
			},
		},
	}
	domain := &vmi.Spec.Domain
	if vm.EvenParity {
		vmi.Annotations = map[string]string{v1.EmulatorThreadCompleteToEvenParity: ""}
	}
	if vm.Passthrough {
		domain.CPU.NUMA = &v1.NUMA{GuestMappingPassthrough: &v1.NUMAGuestMappingPassthrough{}}
	}
	if vm.PageSize != "" {
		domain.Memory.Hugepages = &v1.Hugepages{PageSize: vm.PageSize}
	}
	if vm.IOThreadsPolicy != "" {
		policy := v1.IOThreadsPolicy(vm.IOThreadsPolicy)
		domain.IOThreadsPolicy = &policy
	}
	if vm.SupplementalPool > 0 {
		policy := v1.IOThreadsPolicySupplementalPool
		domain.IOThreadsPolicy = &policy
		domain.IOThreads = &v1.DiskIOThreads{SupplementalPoolThreadCount: &vm.SupplementalPool}
	}
	domain.Devices.Disks = make([]v1.Disk, vm.Disks)
	return vmi, nil
}
