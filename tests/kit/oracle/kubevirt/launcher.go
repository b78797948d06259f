package main

import (
	"encoding/xml"
	"fmt"
	"slices"

	v1 "kubevirt.io/api/core/v1"
	"libvirt.org/go/libvirtxml"

	"kubevirt.io/kubevirt/pkg/virt-launcher/premigration-hook-server/cpuhook"
	"kubevirt.io/kubevirt/pkg/virt-launcher/virtwrap/api"
	"kubevirt.io/kubevirt/pkg/virt-launcher/virtwrap/converter/iothreads"
	"kubevirt.io/kubevirt/pkg/virt-launcher/virtwrap/converter/types"
	"kubevirt.io/kubevirt/pkg/virt-launcher/virtwrap/converter/vcpu"
)

// boot converts a VM on a node: what the converter prepares for the CPU step, then that step itself.
func boot(vmi *v1.VirtualMachineInstance, on node) (*api.Domain, error) {
	domain := api.NewMinimalDomain(vmi.Name)
	setVCPUs(vmi, domain)
	if iothreads.HasIOThreads(vmi) {
		if count, _ := iothreads.GetIOThreadsCountType(vmi); count > 0 {
			domain.Spec.IOThreads = &api.IOThreads{IOThreads: uint(count)}
		}
	}
	backMemory(vmi, domain)
	if err := vcpu.AdjustDomainForTopologyAndCPUSet(domain, vmi, on.topology, on.cpuset); err != nil {
		return nil, err
	}
	return domain, nil
}

// setVCPUs stands for the converter's CPU configurator (compute/cpu.go): with room for hotplug the domain has the
// maximum of vCPUs, of which those of the spec are enabled.
func setVCPUs(vmi *v1.VirtualMachineInstance, domain *api.Domain) {
	topology := vcpu.GetCPUTopology(vmi)
	enabled := vcpu.CalculateRequestedVCPUs(topology)
	if most := vmi.Spec.Domain.CPU.MaxSockets; most != 0 {
		topology.Sockets = most
		domain.Spec.VCPUs = &api.VCPUs{}
		for id := range vcpu.CalculateRequestedVCPUs(topology) {
			domain.Spec.VCPUs.VCPU = append(domain.Spec.VCPUs.VCPU, api.VCPUsVCPU{
				ID:           id,
				Enabled:      yesNo(id < enabled),
				Hotpluggable: yesNo(id >= topology.Cores*topology.Threads),
			})
		}
	}
	domain.Spec.CPU.Topology = topology
	domain.Spec.VCPU = &api.VCPU{Placement: "static", CPUs: vcpu.CalculateRequestedVCPUs(topology)}
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// backMemory stands for the converter's memory backing (converter.go): huge pages come from memfd, which needs a cell.
func backMemory(vmi *v1.VirtualMachineInstance, domain *api.Domain) {
	if vmi.Spec.Domain.Memory.Hugepages == nil {
		return
	}
	memory := uint64(vcpu.GetVirtualMemory(vmi).Value() / 1024)
	domain.Spec.MemoryBacking = &api.MemoryBacking{
		HugePages: &api.HugePages{},
		Source:    &api.MemoryBackingSource{Type: "memfd"},
	}
	domain.Spec.CPU.NUMA = &api.NUMA{Cells: []api.NUMACell{{
		ID: "0", CPUs: fmt.Sprintf("0-%d", domain.Spec.VCPU.CPUs-1), Memory: &memory, Unit: "KiB",
	}}}
}

// asXML is the domain as it goes to libvirt.
func asXML(domain *api.Domain) (*libvirtxml.Domain, error) {
	text, err := xml.Marshal(domain.Spec)
	if err != nil {
		return nil, err
	}
	read := &libvirtxml.Domain{}
	return read, read.Unmarshal(string(text))
}

// asLibvirtRunsIt makes of a booted domain the running one: vCPUs that no cell names are in cell 0, and as many as
// `enabled` are on, where an earlier migration plugged some (0: as at boot).
func asLibvirtRunsIt(domain *libvirtxml.Domain, enabled uint32) {
	if domain.CPU != nil && domain.CPU.Numa != nil && len(domain.CPU.Numa.Cell) > 0 {
		cells := domain.CPU.Numa.Cell
		var others []int
		for _, cell := range cells[1:] {
			cpus, _ := parseCPUs(cell.CPUs)
			others = append(others, cpus...)
		}
		var first []uint32
		for id := range domain.VCPU.Value {
			if !slices.Contains(others, int(id)) {
				first = append(first, uint32(id))
			}
		}
		cells[0].CPUs = formatRanges(first)
	}
	if domain.VCPUs != nil && enabled > 0 {
		for at := range domain.VCPUs.VCPU {
			domain.VCPUs.VCPU[at].Enabled = yesNo(uint32(at) < enabled)
		}
	}
}

// hook rewrites the running domain for the target, as the hook of the target's launcher does.
func hook(vmi *v1.VirtualMachineInstance, target node, running *libvirtxml.Domain) error {
	context := &types.ConverterContext{Topology: target.topology, CPUSet: target.cpuset}
	return cpuhook.CPUDedicatedHook(context, vmi, running)
}
