package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
)

// nodeState is the content of a `state` step: what the state files of the managers say.
type nodeState struct {
	SharedPoolCPUs string                    `json:"sharedPoolCPUs"`
	Memory         map[string]map[string]any `json:"memory"`
}

// amounts are those of one memory type of one zone, rounded down to MiB.
type amounts struct {
	Allocatable uint64 `json:"allocatableMi"`
	Free        uint64 `json:"freeMi"`
	Reserved    uint64 `json:"reservedMi"`
}

// readState reads the files that the managers keep in directory. They write them within the call that changes them.
func readState(directory string) (*nodeState, error) {
	var cpu struct {
		DefaultCPUSet string `json:"defaultCpuSet"`
	}
	if err := readFile(directory, "cpu_manager_state", &cpu); err != nil {
		return nil, err
	}
	var memory struct {
		MachineState map[int]struct {
			Assignments int `json:"numberOfAssignments"`
			MemoryMap   map[string]struct {
				Allocatable uint64 `json:"allocatable"`
				Reserved    uint64 `json:"reserved"`
				Free        uint64 `json:"free"`
			} `json:"memoryMap"`
			Cells []int `json:"cells"`
		} `json:"machineState"`
	}
	if err := readFile(directory, "memory_manager_state", &memory); err != nil {
		return nil, err
	}
	state := &nodeState{SharedPoolCPUs: cpu.DefaultCPUSet, Memory: map[string]map[string]any{}}
	for id, zone := range memory.MachineState {
		entry := map[string]any{"assignments": zone.Assignments, "group": zone.Cells}
		for resource, table := range zone.MemoryMap {
			entry[resource] = amounts{table.Allocatable >> 20, table.Free >> 20, table.Reserved >> 20}
		}
		state.Memory[strconv.Itoa(id)] = entry
	}
	return state, nil
}

func readFile(directory, name string, into any) error {
	content, err := os.ReadFile(filepath.Join(directory, name))
	if err != nil {
		return err
	}
	return json.Unmarshal(content, into)
}
