package hollow

import (
	"context"
	"fmt"
	"log"
	"reflect"
	"sort"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"

	"fastfit.dev/testcluster/kubelet"
)

// agent is the kubelet of one node.
type agent struct {
	spec     *Spec
	options  *options
	api      *api
	recorder record.EventRecorder
	nodes    corelisters.NodeLister
	truth    *truth
	// registered is the Node as it was created: what the predicates see until the watch shows it.
	registered *v1.Node
	inbox      *inbox
	changed    chan struct{}
	predicates lifecycle.PodAdmitHandler

	mutex    sync.Mutex // guards managers between admissions and reports
	managers *kubelet.Managers
	// known are the pods that were judged and still exist, true while they are active.
	known map[types.UID]bool
	// published is the last NodeResourceTopology. Only one goroutine at a time publishes.
	published *unstructured.Unstructured
}

func newAgent(spec *Spec, options *options, api *api, truth *truth, stateDir string) (*agent, error) {
	registered, err := spec.node(options.facts)
	if err != nil {
		return nil, err
	}
	managers, err := kubelet.New(&spec.config, &spec.machine, spec.Devices, stateDir)
	if err != nil {
		return nil, fmt.Errorf("node %q: this kubelet does not start: %w", spec.Name, err)
	}
	a := &agent{
		spec: spec, options: options, api: api, truth: truth, registered: registered, managers: managers,
		inbox: newInbox(), changed: make(chan struct{}, 1), known: map[types.UID]bool{},
	}
	a.predicates = kubelet.NewPredicates(a.node)
	return a, nil
}

// resume admits the pods that are bound already, oldest first as a kubelet does after its start, and publishes the
// node's first report.
func (a *agent) resume(ctx context.Context, bound []*v1.Pod) error {
	sort.SliceStable(bound, func(i, j int) bool {
		return bound[i].CreationTimestamp.Before(&bound[j].CreationTimestamp)
	})
	for _, pod := range bound {
		if err := a.handle(ctx, podEvent{pod: pod}); err != nil {
			return err
		}
	}
	a.managers.SetReady()
	return a.publish(ctx)
}

// run handles pods as they arrive.
func (a *agent) run(ctx context.Context) error {
	for ctx.Err() == nil {
		for _, event := range a.inbox.take(ctx) {
			if err := a.handle(ctx, event); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *agent) handle(ctx context.Context, event podEvent) error {
	pod := event.pod
	active, judged := a.known[pod.UID]
	switch {
	case event.gone:
		delete(a.known, pod.UID)
		if active {
			return a.release(pod)
		}
		return nil
	case pod.DeletionTimestamp != nil:
		a.known[pod.UID] = false
		if active {
			if err := a.release(pod); err != nil {
				return err
			}
		}
		a.api.finishDeletion(ctx, pod)
		return nil
	case pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed:
		a.known[pod.UID] = false
		if active {
			return a.release(pod)
		}
		return nil
	case judged:
		return nil
	}
	return a.admit(ctx, pod)
}

func (a *agent) admit(ctx context.Context, pod *v1.Pod) error {
	a.mutex.Lock()
	result := a.managers.Admit(pod, a.predicates)
	// Before the start: a start gives the memory of finished init containers back.
	holdings := a.managers.Holdings(pod)
	if result.Admit && a.options.start {
		a.managers.Start(pod)
	}
	a.mutex.Unlock()
	a.known[pod.UID] = result.Admit
	err := a.truth.record(a.spec.Name, pod, &podTruth{
		Admitted: result.Admit, Active: result.Admit, Reason: result.Reason, Message: result.Message, Containers: holdings,
	})
	if err != nil {
		return err
	}
	if result.Admit {
		a.api.setPodStatus(ctx, pod, runningStatus(pod))
	} else {
		a.recorder.Event(pod, v1.EventTypeWarning, result.Reason, result.Message)
		a.api.setPodStatus(ctx, pod, refusedStatus(pod, result))
	}
	a.markChanged()
	return nil
}

func (a *agent) release(pod *v1.Pod) error {
	a.mutex.Lock()
	err := a.managers.Release(pod)
	a.mutex.Unlock()
	if err != nil {
		return err
	}
	a.markChanged()
	return a.truth.release(a.spec.Name, pod)
}

func (a *agent) markChanged() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// report publishes the node's zones after every change, as late as the chosen lag. What changes during the lag is
// published together with what started it.
func (a *agent) report(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.changed:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(a.options.lag):
		}
		if err := a.publish(ctx); err != nil {
			return err
		}
	}
}

// publish writes the node's NodeResourceTopology if it says something new.
func (a *agent) publish(ctx context.Context) error {
	if a.mode() == modeNone {
		return nil
	}
	a.mutex.Lock()
	object, err := topologyObject(a.spec, a.managers, a.mode() == modeNFD, a.options.fingerprint)
	a.mutex.Unlock()
	if err != nil || reflect.DeepEqual(a.published, object) {
		return err
	}
	a.published = object.DeepCopy()
	a.api.publish(ctx, object)
	return nil
}

func (a *agent) mode() string {
	if a.spec.NRT != "" {
		return a.spec.NRT
	}
	return a.options.nrt
}

// node returns the node for the predicates, labels as they are now.
func (a *agent) node(context.Context, bool) (*v1.Node, error) {
	node, err := a.nodes.Get(a.spec.Name)
	if err != nil {
		log.Printf("node %s: not in the watch (%v); judging by what was registered", a.spec.Name, err)
		node = a.registered
	}
	// The predicate handler writes to the labels.
	return node.DeepCopy(), nil
}

// runningStatus is the status of a pod whose containers all started. The readiness gates, which on a real node
// virt-handler answers for, are taken as met.
func runningStatus(pod *v1.Pod) v1.PodStatus {
	now := metav1.Now()
	status := v1.PodStatus{Phase: v1.PodRunning, StartTime: &now, HostIP: hostIP}
	for _, kind := range []v1.PodConditionType{v1.PodInitialized, v1.ContainersReady, v1.PodReady} {
		status.Conditions = append(status.Conditions, v1.PodCondition{Type: kind, Status: v1.ConditionTrue, LastTransitionTime: now})
	}
	yes := true
	running := func(c *v1.Container) v1.ContainerStatus {
		return v1.ContainerStatus{
			Name: c.Name, Image: c.Image, Ready: true, Started: &yes,
			State: v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: now}},
		}
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		started := running(c)
		if c.RestartPolicy == nil || *c.RestartPolicy != v1.ContainerRestartPolicyAlways {
			no := false
			started.Started = &no
			started.State = v1.ContainerState{
				Terminated: &v1.ContainerStateTerminated{Reason: "Completed", StartedAt: now, FinishedAt: now},
			}
		}
		status.InitContainerStatuses = append(status.InitContainerStatuses, started)
	}
	for i := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, running(&pod.Spec.Containers[i]))
	}
	return status
}

// refusedStatus is what the kubelet writes when its admission refuses a pod (kubelet.go, rejectPod).
func refusedStatus(pod *v1.Pod, result lifecycle.PodAdmitResult) v1.PodStatus {
	now := metav1.Now()
	return v1.PodStatus{
		Phase: v1.PodFailed, QOSClass: pod.Status.QOSClass, StartTime: &now,
		Reason: result.Reason, Message: "Pod was rejected: " + result.Message,
	}
}
