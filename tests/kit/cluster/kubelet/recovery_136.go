//go:build !k8s133 && !k8s137

package kubelet

import (
	"context"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
)

// This file holds what the kubelet packages of 1.34 to 1.36 declare differently from those of 1.33 and of 1.37.

// noRecovery never evicts a pod to make room for a critical one.
type noRecovery struct{}

func (noRecovery) HandleAdmissionFailure(
	_ context.Context, _ *v1.Pod, reasons []lifecycle.PredicateFailureReason,
) ([]lifecycle.PredicateFailureReason, error) {
	return reasons, nil
}
