package main

import (
	"context"
	"encoding/json"

	v1 "k8s.io/api/core/v1"
	corev1 "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"

	"fastfit.dev/testcluster/kubelet"
)

// question asks the kubelet's predicates, which run after its managers, about a pod beside the pods of the node.
type question struct {
	Predicates *struct {
		Node v1.Node   `json:"node"`
		Pods []*v1.Pod `json:"pods"`
		Pod  v1.Pod    `json:"pod"`
	} `json:"predicates"`
}

// reply plays a line that is a scenario, or asks the predicates where it is a question to them.
func reply(line []byte, scratch string) ([]byte, error) {
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil || asked.Predicates == nil {
		return play(line, scratch)
	}
	node := func(context.Context, bool) (*v1.Node, error) { return &asked.Predicates.Node, nil }
	for _, pod := range append(asked.Predicates.Pods, &asked.Predicates.Pod) {
		corev1.SetObjectDefaults_Pod(pod) // as the API server does
	}
	result := kubelet.NewPredicates(node).Admit(&lifecycle.PodAdmitAttributes{
		Pod: &asked.Predicates.Pod, OtherPods: asked.Predicates.Pods, Operation: lifecycle.AddOperation,
	})
	return json.Marshal(map[string]any{"admit": result.Admit, "reason": result.Reason, "message": result.Message})
}
