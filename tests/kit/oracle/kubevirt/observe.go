package main

import (
	"fmt"
	"slices"

	"libvirt.org/go/libvirtxml"

	"kubevirt.io/kubevirt/pkg/virt-launcher/virtwrap/api"
)

// failure is the answer where KubeVirt gives an error.
type failure struct {
	Error string `json:"error"`
}

// observation is what NUMA decides in a domain, in the golden format.
type observation struct {
	Pins      []uint64   `json:"pins"`
	MaxVCPUs  uint       `json:"maxVcpus,omitempty"`
	Emulator  string     `json:"emulator,omitempty"`
	IOThreads []ioThread `json:"iothreads,omitempty"`
	Cells     []cell     `json:"cells,omitempty"`
	NUMATune  *numaTune  `json:"numatune,omitempty"`
	MemNodes  []memNode  `json:"memnodes,omitempty"`
	Hugepages []pages    `json:"hugepages,omitempty"`
}

type ioThread struct {
	ID   uint   `json:"id"`
	CPUs string `json:"cpus"`
}

type cell struct {
	ID        uint   `json:"id"`
	CPUs      string `json:"cpus"`
	MemoryKiB uint64 `json:"memoryKiB"`
}

type numaTune struct {
	Mode    string `json:"mode"`
	Nodeset string `json:"nodeset"`
}

type memNode struct {
	CellID  uint   `json:"cellid"`
	Nodeset string `json:"nodeset"`
}

type pages struct {
	SizeKiB uint64 `json:"sizeKiB"`
	Nodeset string `json:"nodeset"`
}

// pinsOnly is what is kept of the conversion that prepares a migration.
func pinsOnly(domain *api.Domain) map[string]any {
	var pins []uint64
	for _, pin := range domain.Spec.CPUTune.VCPUPin {
		pins = append(pins, number(pin.CPUSet))
	}
	return map[string]any{"pins": pins}
}

func observe(domain *api.Domain) (*observation, error) {
	read, err := asXML(domain)
	if err != nil {
		return nil, err
	}
	return observeXML(read)
}

func observeXML(domain *libvirtxml.Domain) (*observation, error) {
	seen := &observation{Pins: []uint64{}}
	for at, pin := range domain.CPUTune.VCPUPin {
		if pin.VCPU != uint(at) {
			return nil, fmt.Errorf("pin %d is of vCPU %d", at, pin.VCPU)
		}
		seen.Pins = append(seen.Pins, number(pin.CPUSet))
	}
	if domain.VCPU.Value != uint(len(seen.Pins)) {
		seen.MaxVCPUs = domain.VCPU.Value
	}
	if domain.CPUTune.EmulatorPin != nil {
		seen.Emulator = domain.CPUTune.EmulatorPin.CPUSet
	}
	for _, pin := range domain.CPUTune.IOThreadPin {
		seen.IOThreads = append(seen.IOThreads, ioThread{pin.IOThread, pin.CPUSet})
	}
	if domain.CPU != nil && domain.CPU.Numa != nil {
		for _, given := range domain.CPU.Numa.Cell {
			cpus, err := parseCPUs(given.CPUs)
			if err != nil {
				return nil, err
			}
			ids := make([]uint32, len(cpus))
			for at, cpu := range cpus {
				ids[at] = uint32(cpu)
			}
			memory, err := kibibytes(uint64(given.Memory), given.Unit)
			if err != nil {
				return nil, err
			}
			seen.Cells = append(seen.Cells, cell{*given.ID, formatRanges(ids), memory})
		}
	}
	if tune := domain.NUMATune; tune != nil {
		if tune.Memory != nil {
			seen.NUMATune = &numaTune{tune.Memory.Mode, tune.Memory.Nodeset}
		}
		for _, node := range tune.MemNodes {
			seen.MemNodes = append(seen.MemNodes, memNode{node.CellID, node.Nodeset})
		}
	}
	if backing := domain.MemoryBacking; backing != nil && backing.MemoryHugePages != nil {
		for _, page := range backing.MemoryHugePages.Hugepages {
			size, err := kibibytes(uint64(page.Size), page.Unit)
			if err != nil {
				return nil, err
			}
			seen.Hugepages = append(seen.Hugepages, pages{size, page.Nodeset})
		}
	}
	return seen, nil
}

// kibibytes converts the two units that KubeVirt writes.
func kibibytes(value uint64, unit string) (uint64, error) {
	units := []string{"b", "KiB"}
	if !slices.Contains(units, unit) {
		return 0, fmt.Errorf("unit %q is none of %v", unit, units)
	}
	if unit == "b" {
		value /= 1024
	}
	return value, nil
}

// number reads the one CPU of a pin; KubeVirt writes no others.
func number(text string) uint64 {
	var cpu uint64
	if _, err := fmt.Sscan(text, &cpu); err != nil {
		panic(fmt.Sprintf("a vCPU is pinned to %q", text))
	}
	return cpu
}
