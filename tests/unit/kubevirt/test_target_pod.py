"""The pod of a hotplug migration, as KubeVirt would render it from the VM's new size."""

from typing import Any

import msgspec
import pytest

from extender.api.objects import Pod, Vmi
from extender.kubelet.pod import pod_demand
from extender.kubevirt.installation import Installation
from extender.kubevirt.launcher_pod import guest_of
from extender.kubevirt.migration.target_pod import Plugged, largest_demand, target_demand, target_pod
from tests.kit.objects import GI, MI, pod, vmi

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
    made = target_pod(source, guest_of(grown(sockets, annotations)), Plugged(8))
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
    assert target_pod(source, guest_of(grown(12, {})), Plugged(sockets)).spec.containers == source.spec.containers


def plugged_memory(spec_gi: int, pages: bool = True, request_gi: int = 0, sockets: int = 8, most_gi: int = 0) -> Vmi:
    """A VMI without passthrough, for memory hotplug is refused with it."""
    made: dict[str, Any] = msgspec.to_builtins(vmi("vm", sockets))
    domain = made["spec"]["domain"]
    del domain["cpu"]["numa"]
    domain["memory"] = (
        {"guest": f"{spec_gi}Gi", "hugepages": {"pageSize": "1Gi"}} if pages else {"guest": f"{spec_gi}Gi"}
    )
    if request_gi:
        domain["resources"] = {"requests": {"memory": f"{request_gi}Gi"}}
    if most_gi:
        domain["memory"]["maxGuest"] = f"{most_gi}Gi"
    return msgspec.convert(made, Vmi)


_BOOTED = Plugged(8, (8 * GI,))
_OVERHEAD = 424 * MI


@pytest.mark.parametrize(
    ("record", "plugged", "pages_gi", "memory", "installation", "asked"),
    [
        (plugged_memory(24), _BOOTED, 8, _OVERHEAD, {}, (9, 24, _OVERHEAD)),
        (plugged_memory(24), _BOOTED, 24, _OVERHEAD, {}, (9, 24, _OVERHEAD)),
        (plugged_memory(12), Plugged(8, (24 * GI, 8 * GI)), 24, _OVERHEAD, {}, (9, 12, _OVERHEAD)),
        (plugged_memory(24), Plugged(8, ()), 8, _OVERHEAD, {}, (9, 24, _OVERHEAD)),
        (plugged_memory(24, sockets=12), _BOOTED, 8, _OVERHEAD, {}, (13, 24, _OVERHEAD + 32 * MI)),
        (plugged_memory(24, request_gi=26), _BOOTED, 8, 2 * GI + _OVERHEAD, {}, (9, 24, 2 * GI + _OVERHEAD + 32 * MI)),
        (plugged_memory(24, pages=False), _BOOTED, 0, 8 * GI + _OVERHEAD, {}, (9, 0, 24 * GI + _OVERHEAD)),
        (plugged_memory(24, pages=False), _BOOTED, 0, 24 * GI + _OVERHEAD, {}, (9, 0, 24 * GI + _OVERHEAD)),
        (
            plugged_memory(24, pages=False),
            Plugged(8, (8 * GI, 16 * GI)),
            0,
            16 * GI + _OVERHEAD,
            {},
            (9, 0, 24 * GI + _OVERHEAD),
        ),
        (
            plugged_memory(24, pages=False),
            _BOOTED,
            0,
            4 * GI + _OVERHEAD,
            {"memory_overcommit": 200},
            (9, 0, 12 * GI + _OVERHEAD),
        ),
        (
            plugged_memory(24, sockets=12),
            _BOOTED,
            8,
            2 * _OVERHEAD,
            {"overhead_ratio": 2.0},
            (13, 24, 2 * _OVERHEAD + 64 * MI),
        ),
    ],
    ids=[
        "huge pages",
        "pages, already grown",
        "unplugged",
        "the status says nothing",
        "memory and CPUs",
        "pages, and a request of its own",
        "no pages",
        "no pages, already grown",
        "no pages, plugged twice",
        "no pages, overcommit",
        "overhead ratio",
    ],
)
def test_plugged_memory(
    record: Vmi,
    plugged: Plugged,
    pages_gi: int,
    memory: int,
    installation: dict[str, Any],
    asked: tuple[int, int, int],
) -> None:
    """CPUs, pages and memory are those of the spec, whichever size the running pod was made for."""
    source = pod("vm", 9, pages_gi, memory=str(memory), node_name="a")
    guest, kubevirt = guest_of(record), Installation(**installation)
    made = pod_demand(target_pod(source, guest, plugged, kubevirt))
    assert made == target_demand(pod_demand(source), guest, plugged, kubevirt)
    compute = made.containers[-1]
    amounts = dict(compute.memory)
    assert (compute.exclusive_cpus, amounts.get("hugepages-1Gi", 0) // GI, amounts["memory"]) == asked


def test_the_largest_demand() -> None:
    """With maxSockets and maxGuest, each where it is set; without them what it asks for now."""
    demand = pod_demand(pod("vm", 9, 8, memory=str(_OVERHEAD)))
    assert largest_demand(demand, guest_of(plugged_memory(8))) == demand
    grow = msgspec.to_builtins(plugged_memory(8, most_gi=32))
    grow["spec"]["domain"]["cpu"]["maxSockets"] = 16
    compute = largest_demand(demand, guest_of(msgspec.convert(grow, Vmi))).containers[-1]
    assert compute.exclusive_cpus == 17
    assert dict(compute.memory) == {"hugepages-1Gi": 32 * GI, "memory": _OVERHEAD + 64 * MI}


def test_pages_of_a_burstable_pod_grow_too() -> None:
    """No manager pins them; the target asks for the plugged amount all the same."""
    made: dict[str, Any] = msgspec.to_builtins(pod("vm", 1, 8, node_name="a", sidecar=False))
    amounts = {"hugepages-1Gi": "8Gi"}
    made["spec"]["containers"][0]["resources"] = {
        "requests": {"cpu": "800m", "memory": str(_OVERHEAD), **amounts},
        "limits": amounts,
    }
    made["status"]["qosClass"] = "Burstable"
    record: dict[str, Any] = msgspec.to_builtins(plugged_memory(24))
    del record["spec"]["domain"]["cpu"]["dedicatedCpuPlacement"]
    source, guest = msgspec.convert(made, Pod), guest_of(msgspec.convert(record, Vmi))
    wanted = pod_demand(target_pod(source, guest, _BOOTED))
    assert wanted.containers[0].pages == (("hugepages-1Gi", 24 * GI),)
    assert target_demand(pod_demand(source), guest, _BOOTED).containers == wanted.containers
