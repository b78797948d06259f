package hollow

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"

	v1 "k8s.io/api/core/v1"

	"fastfit.dev/testcluster/kubelet"
)

// podTruth is what really happened to a pod at its kubelet. Active turns false when the pod ended; the holdings stay
// as they were at admission. A refused pod shows what it had got when it was refused.
type podTruth struct {
	Order      int                         `json:"order"`
	UID        string                      `json:"uid"`
	Namespace  string                      `json:"namespace"`
	Name       string                      `json:"name"`
	Admitted   bool                        `json:"admitted"`
	Reason     string                      `json:"reason,omitempty"`
	Message    string                      `json:"message,omitempty"`
	Active     bool                        `json:"active"`
	Containers map[string]kubelet.Holdings `json:"containers"`
}

type nodeTruth struct {
	Admitted int         `json:"admitted"`
	Refused  int         `json:"refused"`
	Pods     []*podTruth `json:"pods"`
}

// truth is the content of the state file: every verdict so far, in the order in which the kubelets gave them.
type truth struct {
	Ready    bool                  `json:"ready"`
	Admitted int                   `json:"admitted"`
	Refused  int                   `json:"refused"`
	ByReason map[string]int        `json:"refusedByReason"`
	Nodes    map[string]*nodeTruth `json:"nodes"`
	path     string
	mutex    sync.Mutex // guards the fields above and changes
	changes  int
	writing  sync.Mutex // held while the file is written; guards written
	written  int
}

func newTruth(path string, specs []*Spec) *truth {
	t := &truth{ByReason: map[string]int{}, Nodes: map[string]*nodeTruth{}, path: path}
	for _, spec := range specs {
		t.Nodes[spec.Name] = &nodeTruth{Pods: []*podTruth{}}
	}
	return t
}

// record notes a verdict and returns once the file tells it.
func (t *truth) record(node string, pod *v1.Pod, verdict *podTruth) error {
	verdict.UID, verdict.Namespace, verdict.Name = string(pod.UID), pod.Namespace, pod.Name
	return t.change(func() {
		at := t.Nodes[node]
		at.Pods = append(at.Pods, verdict)
		verdict.Order = len(at.Pods)
		if verdict.Admitted {
			at.Admitted++
			t.Admitted++
			return
		}
		at.Refused++
		t.Refused++
		t.ByReason[verdict.Reason]++
	})
}

// release notes that a pod holds nothing any more.
func (t *truth) release(node string, pod *v1.Pod) error {
	return t.change(func() {
		for _, verdict := range t.Nodes[node].Pods {
			if verdict.UID == string(pod.UID) {
				verdict.Active = false
			}
		}
	})
}

func (t *truth) setReady() error {
	return t.change(func() { t.Ready = true })
}

// change applies one change and returns once a file that contains it is in place. Changes of several nodes that wait
// for the same write share the next one.
func (t *truth) change(apply func()) error {
	t.mutex.Lock()
	apply()
	t.changes++
	mine := t.changes
	t.mutex.Unlock()
	if t.path == "" {
		return nil
	}
	t.writing.Lock()
	defer t.writing.Unlock()
	if t.written >= mine {
		return nil
	}
	t.mutex.Lock()
	content, err := json.Marshal(t)
	contained := t.changes
	t.mutex.Unlock()
	if err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	if err := os.WriteFile(t.path+".new", content, 0o644); err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	if err := os.Rename(t.path+".new", t.path); err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	t.written = contained
	return nil
}
