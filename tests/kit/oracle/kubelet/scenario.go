package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"

	"fastfit.dev/testcluster/kubelet"
)

// object is a JSON object of which only some fields are read or replaced.
type object = map[string]json.RawMessage

// admission is the `admit` step.
type admission struct {
	UID         string                 `json:"uid"`
	Spec        v1.PodSpec             `json:"spec"`
	Status      v1.PodStatus           `json:"status"`
	DeviceHints map[string][]givenHint `json:"deviceHints"`
}

// block is a memory block in the golden format.
type block struct {
	Resource string `json:"resource"`
	Zones    []int  `json:"numa"`
	Mi       uint64 `json:"Mi"`
}

// held is what one container holds, in the golden format.
type held struct {
	CPUs      string  `json:"cpus"`
	Hint      []int   `json:"hint"`
	Preferred bool    `json:"preferred"`
	Memory    []block `json:"memory"`
}

// answer is what a kubelet made of a pod.
type answer struct {
	Admit      bool            `json:"admit"`
	Reason     string          `json:"reason,omitempty"`
	Message    string          `json:"message,omitempty"`
	Containers map[string]held `json:"containers"`
}

// errNotStarted says that these managers do not start: the end of the node's life.
var errNotStarted = errors.New("the kubelet does not start")

// life is one node while a scenario plays.
type life struct {
	config   kubelet.Config
	machine  kubelet.Machine
	stateDir string
	managers *kubelet.Managers
	// pods are the admitted pods that were not removed, in order of creation.
	pods []admitted
}

// admitted is a pod with the hints of its devices, which a restarted kubelet gives again.
type admitted struct {
	pod   *v1.Pod
	hints map[string][]topologymanager.TopologyHint
}

// play returns the scenario with its answers filled in. A node that does not start (or panics) gets the reason as
// the field `startError`, of the scenario or of the restart step, and no further steps.
func play(line []byte, scratch string) ([]byte, error) {
	scenario := object{}
	if err := json.Unmarshal(line, &scenario); err != nil {
		return nil, err
	}
	stateDir, err := os.MkdirTemp(scratch, "fastfit-oracle-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(stateDir)
	node := &life{stateDir: stateDir}
	if err := json.Unmarshal(scenario["kubelet"], &node.config); err != nil {
		return nil, fmt.Errorf("kubelet: %w", err)
	}
	if err := json.Unmarshal(scenario["machine"], &node.machine); err != nil {
		return nil, fmt.Errorf("machine: %w", err)
	}
	var steps []object
	if err := json.Unmarshal(scenario["steps"], &steps); err != nil {
		return nil, fmt.Errorf("steps: %w", err)
	}
	if err := node.start(); err != nil {
		if !errors.Is(err, errNotStarted) {
			return nil, err
		}
		steps = nil
		if err := put(scenario, "startError", err.Error()); err != nil {
			return nil, err
		}
	} else {
		node.managers.SetReady()
	}
	for i, step := range steps {
		err := node.step(step)
		if errors.Is(err, errNotStarted) {
			steps = steps[:i+1]
			if err := put(step, "startError", err.Error()); err != nil {
				return nil, err
			}
			break
		}
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", i, err)
		}
	}
	if steps == nil {
		steps = []object{}
	}
	if err := put(scenario, "steps", steps); err != nil {
		return nil, err
	}
	return json.Marshal(scenario)
}

// start makes new managers on the state directory.
func (l *life) start() (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%w: panic: %v", errNotStarted, reason)
		}
	}()
	l.managers, err = kubelet.New(&l.config, &l.machine, nil, l.stateDir)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotStarted, err)
	}
	return nil
}

func (l *life) step(step object) error {
	switch {
	case step["admit"] != nil:
		given := admission{}
		if err := json.Unmarshal(step["admit"], &given); err != nil {
			return err
		}
		hints, err := hintLists(given.DeviceHints)
		if err != nil {
			return err
		}
		pod := &v1.Pod{Spec: given.Spec, Status: given.Status}
		pod.UID, pod.Name, pod.Namespace = types.UID(given.UID), given.UID, v1.NamespaceDefault
		answer, err := l.admit(admitted{pod, hints})
		if err != nil {
			return err
		}
		return put(step, "observed", answer)
	case step["remove"] != nil:
		uid := ""
		if err := json.Unmarshal(step["remove"], &uid); err != nil {
			return err
		}
		return l.remove(types.UID(uid))
	case step["start"] != nil:
		uid := ""
		if err := json.Unmarshal(step["start"], &uid); err != nil {
			return err
		}
		if at := l.index(types.UID(uid)); at >= 0 {
			l.managers.Start(l.pods[at].pod)
		}
		return nil
	case step["restart"] != nil:
		answers, err := l.restart()
		if err != nil {
			return err
		}
		return put(step, "observed", answers)
	case step["state"] != nil:
		state, err := readState(l.stateDir)
		if err != nil {
			return err
		}
		return put(step, "state", state)
	}
	return fmt.Errorf("no step that is known: %v", step)
}

func (l *life) admit(given admitted) (result *answer, err error) {
	pod := given.pod
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("pod %s: panic: %v", pod.UID, reason)
		}
	}()
	l.managers.GiveHints(pod.UID, given.hints)
	verdict := l.managers.Admit(pod)
	result = &answer{verdict.Admit, verdict.Reason, verdict.Message, map[string]held{}}
	for name, holdings := range l.managers.Holdings(pod) {
		blocks := []block{}
		for _, b := range holdings.Memory {
			blocks = append(blocks, block{b.Resource, b.Zones, b.Bytes >> 20})
		}
		result.Containers[name] = held{holdings.CPUs, holdings.Hint, holdings.Preferred, blocks}
	}
	if verdict.Admit {
		l.pods = append(l.pods, given)
	}
	return result, nil
}

func (l *life) remove(uid types.UID) error {
	at := l.index(uid)
	if at < 0 {
		return nil
	}
	pod := l.pods[at].pod
	l.pods = slices.Delete(l.pods, at, at+1)
	return l.managers.Release(pod)
}

// index returns where in pods the pod is; negative if it was refused or removed.
func (l *life) index(uid types.UID) int {
	return slices.IndexFunc(l.pods, func(given admitted) bool { return given.pod.UID == uid })
}

// restart is what a kubelet does when it comes back: the managers read their files, every pod is admitted again in
// order of creation, and only then is the pods' source ready and stale state swept.
func (l *life) restart() (map[string]*answer, error) {
	if err := l.start(); err != nil {
		return nil, err
	}
	before := l.pods
	l.pods = nil
	answers := map[string]*answer{}
	for _, given := range before {
		answer, err := l.admit(given)
		if err != nil {
			return nil, err
		}
		answers[string(given.pod.UID)] = answer
	}
	l.managers.SetReady()
	return answers, nil
}

// put sets one field of an object.
func put(into object, field string, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	into[field] = encoded
	return nil
}
