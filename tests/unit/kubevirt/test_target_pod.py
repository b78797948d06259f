"""The pod of a hotplug migration, as KubeVirt would render it from the VM's new size."""

from typing import Any

import msgspec
import pytest

from extender.api.objects import Vmi
from extender.kubevirt.launcher_pod import guest_of
from extender.kubevirt.migration.target_pod import target_pod
from tests.kit.objects import pod, vmi

PARITY = {"alpha.kubevirt.io/EmulatorThreadCompleteToEvenParity": ""}


def grown(sockets: int, annotations: dict[str, str]) -> Vmi:
    """The VMI with its new size."""
    made: dict[str, Any] = msgspec.to_builtins(vmi("vm", sockets))
    made["metadata"]["annotations"] = annotations
    made["spec"]["domain"]["cpu"]["maxSockets"] = 32
    return msgspec.convert(made, Vmi)


@pytest.mark.parametrize(
    ("sockets", "annotations", "cpus", "memory", "asked"),
    [
        (12, {}, 9, "444Mi", ("13", str(476 << 20))),
        (9, PARITY, 10, "444Mi", ("10", str(452 << 20))),
        (12, PARITY, 10, "444Mi", ("14", str(476 << 20))),
        (12, {}, 13, "476Mi", ("13", "476Mi")),
    ],
    ids=["8 to 12", "parity, 8 to 9", "parity, 8 to 12", "already grown"],
)
def test_growth(sockets: int, annotations: dict[str, str], cpus: int, memory: str, asked: tuple[str, str]) -> None:
    """CPUs by KubeVirt's own sum with the emulator's parity, 8Mi more per vCPU; a pod of the new size stays as it is."""
    source = pod("vm", cpus, memory=memory, node_name="a")
    made = target_pod(source, guest_of(grown(sockets, annotations)), 8)
    containers = made.spec.containers
    assert containers is not None
    resources = containers[0].resources
    assert resources is not None
    for amounts in (resources.requests, resources.limits):
        assert amounts is not None
        assert (amounts["cpu"], amounts["memory"]) == asked


@pytest.mark.parametrize("sockets", [0, 12])
def test_without_a_hotplug(sockets: int) -> None:
    """As many vCPUs run as the spec says: the target asks for what the source does."""
    source = pod("vm", 13, node_name="a")
    assert target_pod(source, guest_of(grown(12, {})), sockets).spec.containers == source.spec.containers
