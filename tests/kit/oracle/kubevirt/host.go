package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	cmdv1 "kubevirt.io/kubevirt/pkg/handler-launcher-com/cmd/v1"
)

// machine is the hardware of a node in the golden format; what the launcher does not read is left out.
type machine struct {
	NUMA []zone `json:"numa"`
}

type zone struct {
	ID          uint32         `json:"id"`
	MemoryBytes uint64         `json:"memoryBytes"`
	Hugepages   map[string]int `json:"hugepages"`
	Distances   []uint64       `json:"distances"`
	Cores       []struct {
		Threads []uint32 `json:"threads"`
	} `json:"cores"`
}

// topology is the machine as virt-handler hands it to a launcher: libvirt's capabilities list zones and CPUs by id.
func (m machine) topology() *cmdv1.Topology {
	zones := slices.Clone(m.NUMA)
	slices.SortFunc(zones, func(a, b zone) int { return cmp.Compare(a.ID, b.ID) })
	topology := &cmdv1.Topology{}
	for _, zone := range zones {
		cell := &cmdv1.Cell{Id: zone.ID, Memory: &cmdv1.Memory{Amount: zone.MemoryBytes / 1024, Unit: "KiB"}}
		for at, value := range zone.Distances {
			cell.Distances = append(cell.Distances, &cmdv1.Sibling{Id: zones[at].ID, Value: value})
		}
		for _, core := range zone.Cores {
			siblings := readSiblings(siblingText(core.Threads))
			for _, thread := range core.Threads {
				cell.Cpus = append(cell.Cpus, &cmdv1.CPU{Id: thread, Siblings: siblings})
			}
		}
		slices.SortFunc(cell.Cpus, func(a, b *cmdv1.CPU) int { return cmp.Compare(a.Id, b.Id) })
		topology.NumaCells = append(topology.NumaCells, cell)
	}
	return topology
}

// siblingText is libvirt's text of a set of CPUs: two or more consecutive ids become a range.
func siblingText(threads []uint32) string {
	return formatRanges(threads)
}

// readSiblings reads that text as virt-handler does (options.go, which is not importable): ranges are dropped.
func readSiblings(text string) []uint32 {
	var siblings []uint32
	for part := range strings.SplitSeq(text, ",") {
		if number, err := strconv.ParseUint(part, 10, 32); err == nil {
			siblings = append(siblings, uint32(number))
		}
	}
	return siblings
}

// formatRanges writes numbers as libvirt writes a bitmap, e.g. "0-3,6".
func formatRanges(numbers []uint32) string {
	sorted := slices.Sorted(slices.Values(numbers))
	var parts []string
	for start := 0; start < len(sorted); {
		end := start
		for end+1 < len(sorted) && sorted[end+1] == sorted[end]+1 {
			end++
		}
		part := strconv.FormatUint(uint64(sorted[start]), 10)
		if end > start {
			part = fmt.Sprintf("%s-%d", part, sorted[end])
		}
		parts = append(parts, part)
		start = end + 1
	}
	return strings.Join(parts, ",")
}
