package kubelet

import (
	"context"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// NewPredicates returns the handler that the kubelet asks after the Topology Manager: sums of resources, node
// affinity, taints, ports. It refuses with OutOfcpu and the like. The handler writes to the labels of the node it gets.
func NewPredicates(node func(context.Context, bool) (*v1.Node, error)) lifecycle.PodAdmitHandler {
	return lifecycle.NewPredicateAdmitHandler(nodeGetter(node), noRecovery{}, keepNodeInfo)
}

// keepNodeInfo takes the place of the Device Manager's update: devices never grow beyond the node's status here.
func keepNodeInfo(*framework.NodeInfo, *lifecycle.PodAdmitAttributes) error { return nil }
