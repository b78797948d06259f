package hollow

import (
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The reference implementation's compatibility vector of ten pods in six namespaces.
func TestFingerprintEqualsTheReference(t *testing.T) {
	var pods []*v1.Pod
	for _, name := range [][2]string{
		{"analytics", "controller-69dkj"}, {"kube-public", "subscriber-tq6v7"}, {"kube-public", "transformer-hfbng"},
		{"kube-public", "validator-c6pn5"}, {"kube-system", "proxy-wszrd"}, {"middleware", "processor-jkrl4"},
		{"network", "gateway-vsll5"}, {"network", "importer-kzdfr"}, {"network", "importer-q5vt9"},
		{"staging", "prometheus-bwgbn"},
	} {
		pods = append(pods, &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: name[0], Name: name[1]}})
	}
	if got, want := fingerprint(pods), "pfp0v001567144e4a561bb5a"; got != want {
		t.Errorf("fingerprint is %s, want %s", got, want)
	}
}
