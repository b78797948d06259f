package hollow

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

var topologyGVR = schema.GroupVersionResource{
	Group: "topology.node.k8s.io", Version: "v1alpha2", Resource: "noderesourcetopologies",
}

// retryAfter is the pause before a write is tried again; tests take the API server away and bring it back.
const retryAfter = 200 * time.Millisecond

// api writes to the API server. Every write is repeated until it went through, cannot any more because its object is
// gone, or the process ends.
type api struct {
	core    kubernetes.Interface
	dynamic dynamic.Interface
}

func newAPI(kubeconfig string) (*api, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // not limited: hundreds of nodes speak through this one client
	config.UserAgent = "hollow-kubelets"
	forJSON, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	protobuf := rest.CopyConfig(config)
	protobuf.ContentType = "application/vnd.kubernetes.protobuf"
	core, err := kubernetes.NewForConfig(protobuf)
	if err != nil {
		return nil, err
	}
	return &api{core, forJSON}, nil
}

// register creates the node, or refreshes the status of one that is there from before.
func (a *api) register(ctx context.Context, node *v1.Node) {
	untilDone(ctx, "node "+node.Name, func() error {
		_, err := a.core.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
		if !errors.IsAlreadyExists(err) {
			return err
		}
		existing, err := a.core.CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		existing.Status = node.Status
		_, err = a.core.CoreV1().Nodes().UpdateStatus(ctx, existing, metav1.UpdateOptions{})
		return err
	})
}

// publish writes a NodeResourceTopology, whether or not it exists.
func (a *api) publish(ctx context.Context, object *unstructured.Unstructured) {
	untilDone(ctx, "noderesourcetopology "+object.GetName(), func() error {
		options := metav1.ApplyOptions{FieldManager: "hollow-kubelets", Force: true}
		_, err := a.dynamic.Resource(topologyGVR).Apply(ctx, object.GetName(), object, options)
		return err
	})
}

func (a *api) setPodStatus(ctx context.Context, pod *v1.Pod, status v1.PodStatus) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": status})
	if err != nil {
		panic(err) // a PodStatus always has a JSON form
	}
	untilDone(ctx, "status of pod "+pod.Namespace+"/"+pod.Name, func() error {
		_, err := a.core.CoreV1().Pods(pod.Namespace).Patch(
			ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
		return unlessGone(err)
	})
}

// finishDeletion removes a pod whose containers would now have stopped.
func (a *api) finishDeletion(ctx context.Context, pod *v1.Pod) {
	now := int64(0)
	options := metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: metav1.NewUIDPreconditions(string(pod.UID))}
	untilDone(ctx, "deletion of pod "+pod.Namespace+"/"+pod.Name, func() error {
		return unlessGone(a.core.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, options))
	})
}

// unlessGone drops the errors that say that the object, or the one of this UID, no longer exists.
func unlessGone(err error) error {
	if errors.IsNotFound(err) || errors.IsConflict(err) {
		return nil
	}
	return err
}

func untilDone(ctx context.Context, what string, try func() error) {
	said := ""
	for ctx.Err() == nil {
		err := try()
		if err == nil {
			return
		}
		if text := fmt.Sprintf("%s: %v; trying again", what, err); text != said {
			said = text
			log.Print(text)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryAfter):
		}
	}
}
