"""VMs for a test cluster: pods as KubeVirt renders them, with their VirtualMachineInstances.

Sizes are those of kubevirt/common-instancetypes. Of each pair, the VMI is created first, as KubeVirt does; the pod's
references to it carry the UID that the API server gave.
"""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

from extender import names
from extender.sample.vms import InstanceType, Vm, launcher_pod, vmi

__all__ = ["NAMESPACE", "Mix", "adopt", "rendered", "vms"]

NAMESPACE: Final = "vms"

_1GI: Final = "1Gi"
#: Instance types and their shares of the VMs, in percent.
Mix = Sequence[tuple[InstanceType, int]]
_MIX: Final[Mix] = (
    (InstanceType("cx1.large1gi", 2, 4, _1GI, passthrough=True, hotplug=False), 2),
    (InstanceType("cx1.xlarge1gi", 4, 8, _1GI, passthrough=True, hotplug=False), 4),
    (InstanceType("cx1.2xlarge1gi", 8, 16, _1GI, passthrough=True, hotplug=False), 11),
    (InstanceType("cx1.4xlarge1gi", 16, 32, _1GI, passthrough=True, hotplug=False), 20),
    (InstanceType("cx1.8xlarge1gi", 32, 64, _1GI, passthrough=True, hotplug=False), 9),
    (InstanceType("n1.large", 4, 8, _1GI), 3),
    (InstanceType("n1.xlarge", 8, 16, _1GI), 7),
    (InstanceType("n1.2xlarge", 16, 32, _1GI), 11),
    (InstanceType("rt1.xlarge", 4, 16, _1GI, passthrough=True, realtime=True), 4),
    (InstanceType("rt1.2xlarge", 8, 32, _1GI, passthrough=True, realtime=True), 6),
    (InstanceType("d1.xlarge", 4, 16), 4),
    (InstanceType("d1.2xlarge", 8, 32), 5),
    (InstanceType("d1.4xlarge", 16, 64), 6),
    (InstanceType("d1.8xlarge", 32, 128), 3),
    (InstanceType("u1.large", 2, 8, dedicated=False), 3),
    (InstanceType("u1.2xlarge", 8, 32, dedicated=False), 2),
)
#: Shares: VMs that ask for an even number of CPUs, VMs with a containerDisk whose digest an init container reads.
_EVEN_SHARE: Final = 0.25
_DISK_SHARE: Final = 0.3


def vms(seed: int, count: int, scheduler: str, mix: Mix = _MIX) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """`count` pairs of VMI and pod for the scheduler of that name. A smaller count is a prefix of a larger one."""
    random = Random(f"{seed} vms")
    types, weights = zip(*mix, strict=True)
    return [_pair(random, number, random.choices(types, weights)[0], scheduler) for number in range(1, count + 1)]


def adopt(pod: dict[str, Any], uid: str) -> None:
    """Make the VMI with this UID the controller of the pod."""
    pod["metadata"]["ownerReferences"][0]["uid"] = uid
    pod["metadata"]["labels"][names.CREATED_BY_LABEL] = uid


def rendered(vm: Vm, scheduler: str, *, container_disk: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
    """VMI and pod of a VM, ready to be created: without what the API server writes."""
    instance, pod = vmi(vm), launcher_pod(vm)
    for written in (instance, pod):
        for owned_by_server in ("uid", "creationTimestamp"):
            del written["metadata"][owned_by_server]
        written["spec"]["schedulerName"] = scheduler
    del pod["status"]
    pod["metadata"]["name"] = f"virt-launcher-{vm.name}"
    # There are no disks here: a claim that nobody made would keep the pod from being scheduled.
    pod["spec"]["volumes"] = [{"name": "hugepages", "emptyDir": {"medium": "HugePages"}}] if vm.type.pages else []
    if container_disk:
        pod["spec"]["initContainers"].append(_digest_container(dedicated=vm.type.dedicated))
    return instance, pod


def _pair(random: Random, number: int, kind: InstanceType, scheduler: str) -> tuple[dict[str, Any], dict[str, Any]]:
    even, disk = random.random() < _EVEN_SHARE, random.random() < _DISK_SHARE
    annotations = {names.EVEN_PARITY_ANNOTATION: ""} if even and kind.dedicated else {}
    vm = Vm(f"vm-{number:03}", kind, namespace=NAMESPACE, annotations=annotations)
    return rendered(vm, scheduler, container_disk=disk)


def _digest_container(*, dedicated: bool) -> dict[str, Any]:
    limits = {"cpu": "10m", "memory": "40M"}
    requests = limits if dedicated else {"cpu": "1m", "memory": "1M"}
    return {"name": "volumeroot", "image": "container-disk", "resources": {"requests": requests, "limits": limits}}
