"""VMs as KubeVirt creates them: the virt-launcher pod and its VirtualMachineInstance, from an instance type.

Instance types are those of kubevirt/common-instancetypes. The pod follows pkg/virt-controller/services/template.go and
renderresources.go (KubeVirt v1.9.0): `compute` is the first container, its CPUs are the vCPUs and one for the isolated
emulator, huge pages hold the guest, and memory is then only the overhead.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from extender import names

__all__ = ["TYPES", "InstanceType", "Vm", "identity", "launcher_pod", "pod_uid", "vmi"]

_MIB = 1024**2
#: Overhead of the processes around the guest, in MiB: fixed part (monitor, launcher, virtlogd, virtqemud, qemu),
#: per vCPU, I/O thread, graphics, and what dedicated CPUs add (pkg/hypervisor/kvm/hypervisorbackend.go).
_FIXED_MIB, _PER_VCPU_MIB, _IO_MIB, _GRAPHICS_MIB, _DEDICATED_MIB = 240, 8, 8, 32, 100
#: CPU request of a vCPU without dedicated CPUs: a tenth of a CPU (cpuAllocationRatio).
_SHARED_MILLI = 100
#: maxSockets as a multiple of sockets, unless the type switches hotplug off (maxHotplugRatio).
_HOTPLUG_RATIO = 4


@dataclass(frozen=True, slots=True)
class InstanceType:
    """An instance type: vCPUs, guest memory in GiB, page size of huge pages ("" for none), and its flags."""

    name: str
    vcpus: int
    memory_gib: int
    pages: str = ""
    dedicated: bool = True
    passthrough: bool = False
    realtime: bool = False
    hotplug: bool = True


#: The types that the sample uses, by name.
TYPES: Mapping[str, InstanceType] = {
    kind.name: kind
    for kind in (
        InstanceType("cx1.xlarge1gi", 4, 8, "1Gi", passthrough=True, hotplug=False),
        InstanceType("cx1.2xlarge1gi", 8, 16, "1Gi", passthrough=True, hotplug=False),
        InstanceType("cx1.4xlarge1gi", 16, 32, "1Gi", passthrough=True, hotplug=False),
        InstanceType("cx1.4xlarge", 16, 32, "2Mi", passthrough=True, hotplug=False),
        InstanceType("cx1.8xlarge", 32, 64, "2Mi", passthrough=True, hotplug=False),
        InstanceType("d1.2xlarge", 8, 32),
        InstanceType("d1.4xlarge", 16, 64),
        InstanceType("rt1.2xlarge", 8, 32, "1Gi", passthrough=True, realtime=True),
        InstanceType("u1.large", 2, 8, dedicated=False),
        InstanceType("u1.2xlarge", 8, 32, dedicated=False),
    )
}


@dataclass(frozen=True, slots=True)
class Vm:
    """One VM. `node`: where it runs, empty while it is pending. `annotations`: set by its owner."""

    name: str
    type: InstanceType
    node: str = ""
    namespace: str = "vms"
    created: str = "2026-09-01T08:00:00Z"
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def cpus(self) -> int:
        """CPUs of `compute`: the vCPUs, and one for the emulator, or two for an even sum if the annotation asks
        for it.
        """
        even = names.EVEN_PARITY_ANNOTATION in self.annotations and self.type.vcpus % 2 == 0
        return self.type.vcpus + (2 if even else 1)

    @property
    def overhead_mib(self) -> int:
        """Memory of the pod besides the guest's."""
        extra = _DEDICATED_MIB if self.type.dedicated else 0
        return _FIXED_MIB + _PER_VCPU_MIB * self.type.vcpus + _IO_MIB + _GRAPHICS_MIB + extra


def identity(*parts: str) -> str:
    """A UID that is the same in every run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(("fastfit-sample", *parts))))


def pod_uid(vm: Vm) -> str:
    """UID of the VM's virt-launcher pod."""
    return identity("pod", vm.namespace, vm.name)


def _annotations(vm: Vm) -> dict[str, str]:
    return {
        "kubevirt.io/cluster-instancetype-name": vm.type.name,
        "kubevirt.io/pci-topology-version": "v3",
        "kubevirt.io/vm-generation": "1",
        **vm.annotations,
    }


def launcher_pod(vm: Vm) -> dict[str, Any]:
    """The virt-launcher pod as the API server serves it."""
    vmi_uid = identity("vmi", vm.namespace, vm.name)
    name = f"virt-launcher-{vm.name}-{vmi_uid[:5]}"
    running = bool(vm.node)
    spec: dict[str, Any] = {
        "schedulerName": names.SCHEDULER_NAME,
        "restartPolicy": "Never",
        "hostname": vm.name,
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 60,
        "securityContext": {"runAsUser": 107, "runAsGroup": 107, "runAsNonRoot": True, "fsGroup": 107},
        "readinessGates": [{"conditionType": "kubevirt.io/virtual-machine-unpaused"}],
        "nodeSelector": _node_selector(vm.type),
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {
                            "matchExpressions": [
                                {"key": "node-labeller.kubevirt.io/obsolete-host-model", "operator": "DoesNotExist"}
                            ]
                        }
                    ]
                }
            }
        },
        "initContainers": [
            {
                "name": "guest-console-log",
                "image": "virt-launcher",
                "restartPolicy": "Always",
                "resources": _console_resources(vm.type),
            }
        ],
        "containers": [{"name": "compute", "image": "virt-launcher", "resources": _compute_resources(vm)}],
        "volumes": [{"name": "root", "persistentVolumeClaim": {"claimName": f"{vm.name}-root"}}],
    }
    if running:
        spec["nodeName"] = vm.node
    status: dict[str, Any] = {
        "phase": "Running" if running else "Pending",
        "qosClass": "Guaranteed" if vm.type.dedicated else "Burstable",
    }
    if running:
        status["startTime"] = vm.created
        status["conditions"] = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": vm.created}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": f"virt-launcher-{vm.name}-",
            "namespace": vm.namespace,
            "uid": pod_uid(vm),
            "creationTimestamp": vm.created,
            "labels": {
                names.LAUNCHER_LABEL: names.LAUNCHER_VALUE,
                names.CREATED_BY_LABEL: vmi_uid,
                "kubevirt.io/vm": vm.name,
                "vm.kubevirt.io/name": vm.name,
                "vmi.kubevirt.io/id": vm.name,
                **({names.NODE_NAME_LABEL: vm.node} if running else {}),
            },
            "annotations": {
                "kubevirt.io/domain": vm.name,
                "kubectl.kubernetes.io/default-container": "compute",
                "kubevirt.io/migrationTransportUnix": "true",
                "descheduler.alpha.kubernetes.io/request-evict-only": "",
                "kubevirt.io/memory-overhead-bytes": str(vm.overhead_mib * _MIB),
                **_annotations(vm),
            },
            "ownerReferences": [
                {
                    "apiVersion": "kubevirt.io/v1",
                    "kind": "VirtualMachineInstance",
                    "name": vm.name,
                    "uid": vmi_uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": spec,
        "status": status,
    }


def _node_selector(kind: InstanceType) -> dict[str, str]:
    selector = {"kubernetes.io/arch": "amd64", names.SCHEDULABLE_LABEL: "true"}
    if kind.dedicated:
        selector[names.CPU_MANAGER_LABEL] = "true"
    if kind.realtime:
        selector["kubevirt.io/realtime"] = "true"
    return selector | {"machine-type.node.kubevirt.io/q35": "true"}


def _console_resources(kind: InstanceType) -> dict[str, Any]:
    limits = {"cpu": "15m", "memory": "60M"}
    return {"requests": limits if kind.dedicated else {"cpu": "5m", "memory": "35M"}, "limits": limits}


def _compute_resources(vm: Vm) -> dict[str, Any]:
    kind = vm.type
    devices = {f"{names.KUBEVIRT_DEVICE_PREFIX}{device}": "1" for device in ("kvm", "tun", "vhost-net")}
    memory = f"{vm.overhead_mib}Mi" if kind.pages else f"{kind.memory_gib * 1024 + vm.overhead_mib}Mi"
    held = {"memory": memory, **({f"hugepages-{kind.pages}": f"{kind.memory_gib}Gi"} if kind.pages else {})}
    if kind.dedicated:
        held = {"cpu": str(vm.cpus), **held}
        return {"requests": {**held, "ephemeral-storage": "50M", **devices}, "limits": {**held, **devices}}
    shared = {"cpu": f"{kind.vcpus * _SHARED_MILLI}m", **held}
    return {"requests": {**shared, "ephemeral-storage": "50M", **devices}, "limits": devices}


def vmi(vm: Vm) -> dict[str, Any]:
    """The VirtualMachineInstance behind the pod."""
    kind = vm.type
    topology = {"sockets": kind.vcpus, "cores": 1, "threads": 1}
    cpu: dict[str, Any] = {
        **topology,
        "maxSockets": kind.vcpus * (_HOTPLUG_RATIO if kind.hotplug else 1),
        "model": "host-model",
    }
    memory: dict[str, Any] = {"guest": f"{kind.memory_gib}Gi"}
    if kind.dedicated:
        cpu |= {"dedicatedCpuPlacement": True, "isolateEmulatorThread": True}
    if kind.passthrough:
        cpu["numa"] = {"guestMappingPassthrough": {}}
    if kind.realtime:
        cpu["realtime"] = {}
    if kind.pages:
        memory["hugepages"] = {"pageSize": kind.pages}
    else:
        memory["maxGuest"] = f"{kind.memory_gib * _HOTPLUG_RATIO}Gi"
    status: dict[str, Any] = {
        "phase": "Running" if vm.node else "Scheduling",
        "currentCPUTopology": topology,
        "memory": {"guestAtBoot": memory["guest"], "guestRequested": memory["guest"]},
    }
    if vm.node:
        status |= {"nodeName": vm.node, "activePods": {pod_uid(vm): vm.node}}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {
            "name": vm.name,
            "namespace": vm.namespace,
            "uid": identity("vmi", vm.namespace, vm.name),
            "creationTimestamp": vm.created,
            "labels": {"kubevirt.io/vm": vm.name, **({names.NODE_NAME_LABEL: vm.node} if vm.node else {})},
            "annotations": _annotations(vm),
        },
        "spec": {
            "schedulerName": names.SCHEDULER_NAME,
            "domain": {
                "cpu": cpu,
                "memory": memory,
                **({"ioThreadsPolicy": "auto"} if kind.dedicated else {}),
                "devices": {"disks": [{"name": "root", "disk": {"bus": "virtio"}}]},
                "machine": {"type": "q35"},
            },
            "networks": [{"name": "default", "pod": {}}],
            "volumes": [{"name": "root", "persistentVolumeClaim": {"claimName": f"{vm.name}-root"}}],
        },
        "status": status,
    }
