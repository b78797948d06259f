package hollow

import (
	"encoding/json"
	"fmt"
	"maps"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-base/version"

	"fastfit.dev/testcluster/kubelet"
)

// Spec describes one simulated node: an element of the file given with --nodes.
type Spec struct {
	Name        string            `json:"name"`
	Kubelet     json.RawMessage   `json:"kubelet"`
	Machine     json.RawMessage   `json:"machine"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	// Devices that sit in zones: resource -> zone id -> number.
	Devices map[string]map[int]int `json:"devices"`
	// Capacity adds resources without zones to the node's status.
	Capacity       map[string]resource.Quantity `json:"capacity"`
	KubeletVersion string                       `json:"kubeletVersion"`
	// NRT overrides --nrt for this node.
	NRT string `json:"nrt"`

	config  kubelet.Config
	machine kubelet.Machine
}

// decode reads the kubelet and machine objects, which are kept as they came for the annotations.
func (s *Spec) decode() error {
	if err := json.Unmarshal(s.Kubelet, &s.config); err != nil {
		return fmt.Errorf("node %q: kubelet: %w", s.Name, err)
	}
	if err := json.Unmarshal(s.Machine, &s.machine); err != nil {
		return fmt.Errorf("node %q: machine: %w", s.Name, err)
	}
	return nil
}

// capacity returns the node's totals and what its kubelet leaves to pods.
func (s *Spec) capacity() (capacity, allocatable v1.ResourceList, err error) {
	capacity = v1.ResourceList{
		v1.ResourceCPU:              *resource.NewQuantity(int64(s.machine.CPUCount()), resource.DecimalSI),
		v1.ResourcePods:             *resource.NewQuantity(250, resource.DecimalSI),
		v1.ResourceEphemeralStorage: resource.MustParse("500Gi"),
	}
	for _, name := range []v1.ResourceName{"devices.kubevirt.io/kvm", "devices.kubevirt.io/tun", "devices.kubevirt.io/vhost-net"} {
		capacity[name] = *resource.NewQuantity(1000, resource.DecimalSI)
	}
	memory, hugepages := int64(0), int64(0)
	for i := range s.machine.Zones {
		zone := &s.machine.Zones[i]
		perType, err := zone.MemoryCapacity()
		if err != nil {
			return nil, nil, fmt.Errorf("node %q: %w", s.Name, err)
		}
		memory += zone.MemoryBytes
		for name, bytes := range perType {
			if name == v1.ResourceMemory {
				continue
			}
			hugepages += bytes
			sum := capacity[name]
			sum.Add(*resource.NewQuantity(bytes, resource.BinarySI))
			capacity[name] = sum
		}
	}
	capacity[v1.ResourceMemory] = *resource.NewQuantity(memory, resource.BinarySI)
	for name, perZone := range s.Devices {
		count := 0
		for _, number := range perZone {
			count += number
		}
		capacity[v1.ResourceName(name)] = *resource.NewQuantity(int64(count), resource.DecimalSI)
	}
	for name, amount := range s.Capacity {
		capacity[v1.ResourceName(name)] = amount
	}
	reserved, err := s.config.Reserved()
	if err != nil {
		return nil, nil, fmt.Errorf("node %q: %w", s.Name, err)
	}
	allocatable = capacity.DeepCopy()
	left := allocatable[v1.ResourceMemory]
	left.Sub(*resource.NewQuantity(hugepages, resource.BinarySI))
	allocatable[v1.ResourceMemory] = left
	for name, amount := range reserved {
		if left, known := allocatable[name]; known {
			left.Sub(amount)
			allocatable[name] = left
		}
	}
	return capacity, allocatable, nil
}

// node builds the Node object as this kubelet would register it. With facts it carries the two annotations that
// state what NodeResourceTopology cannot tell.
func (s *Spec) node(facts bool) (*v1.Node, error) {
	capacity, allocatable, err := s.capacity()
	if err != nil {
		return nil, err
	}
	labels := map[string]string{
		v1.LabelHostname:          s.Name,
		v1.LabelArchStable:        "amd64",
		v1.LabelOSStable:          "linux",
		"kubevirt.io/schedulable": "true",
	}
	if s.config.CPUManagerPolicy == "static" {
		labels["kubevirt.io/cpumanager"] = "true"
	}
	maps.Copy(labels, s.Labels)
	annotations := map[string]string{}
	if facts {
		annotations["fastfit.dev/kubelet"] = string(s.Kubelet)
		annotations["fastfit.dev/machine"] = string(s.Machine)
	}
	maps.Copy(annotations, s.Annotations)
	kubeletVersion := s.KubeletVersion
	if kubeletVersion == "" {
		kubeletVersion = version.Get().GitVersion
	}
	now := metav1.Now()
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: s.Name, Labels: labels, Annotations: annotations},
		Status: v1.NodeStatus{
			Capacity:    capacity,
			Allocatable: allocatable,
			NodeInfo: v1.NodeSystemInfo{
				Architecture: "amd64", OperatingSystem: "linux", KubeletVersion: kubeletVersion,
				ContainerRuntimeVersion: "hollow://1",
			},
			Addresses: []v1.NodeAddress{
				{Type: v1.NodeHostName, Address: s.Name},
				{Type: v1.NodeInternalIP, Address: hostIP},
			},
			Conditions: []v1.NodeCondition{{
				Type: v1.NodeReady, Status: v1.ConditionTrue, Reason: "KubeletReady", Message: "kubelet is posting ready status",
				LastHeartbeatTime: now, LastTransitionTime: now,
			}},
		},
	}, nil
}
