"""Migration targets that somebody else has bound: what we say of them, as the metric of the kubelets' refusals shows it.

Nodes of two zones, 8 cores of two threads each, policy none; the VM has 8 vCPUs and an emulator thread. What else runs on
a node decides how KubeVirt would split them: on `one` it gets one cell, on `uneven` two.
"""

from typing import Any

import msgspec
import pytest

from extender.api.objects import Pod, Vmi
from extender.cache.cluster import Cluster
from extender.cache.effects import PodBound
from extender.cache.events import Source
from extender.placement.decide import Decider
from tests.kit.migrations import running, target
from tests.kit.objects import machine, node, pod, vmi
from tests.unit.placement.test_restart import NONE

BUSY = {"home": 0, "one": 0, "uneven": 9}


def at(where: str, sockets: int = 0, wanted: int = 8) -> Vmi:
    """The VMI, whose VM runs there with that many sockets."""
    status: dict[str, Any] = {"nodeName": where}
    if sockets:
        status["currentCPUTopology"] = {"sockets": sockets, "cores": 1, "threads": 1}
    return msgspec.convert({**msgspec.to_builtins(vmi("vm", wanted)), "status": status}, Vmi)


def ran(*, known: bool = True) -> Cluster:
    """The nodes, and the VM that booted on `home` with one cell of 8 vCPUs; not `known`: nobody saw its boot."""
    cluster = Cluster()
    for name, cpus in BUSY.items():
        cluster.put(Source.NODES, node(name, NONE, machine()))
        if cpus:
            cluster.put(Source.PODS, running(f"other-{name}", name, cpus, 0))
    cluster.put(Source.VMIS, at("home"))
    if known:
        cluster.put(Source.PODS, running("vm", "home"))
    cluster.make_rows()
    return cluster


def said(cluster: Cluster, where: str, **more: Any) -> str:
    """What we say of the target that appears bound to this node."""
    record = target("vm", node_name=where, **more)
    put(cluster, record)
    return cluster.pods[record.metadata.uid].our_verdict


def put(cluster: Cluster, record: Pod) -> None:
    """The event of a pod, with its effects carried out as the service does."""
    for effect in cluster.put(Source.PODS, record):
        if isinstance(effect, PodBound):
            cluster.record_verdict(effect.pod, Decider(cluster).verdict_on_binding(effect.pod))


@pytest.mark.parametrize(("where", "verdict"), [("one", "fits"), ("uneven", "refused")])
def test_a_target_keeps_the_cells_of_its_boot(where: str, verdict: str) -> None:
    """One cell cannot go to two zones, though a first boot could."""
    assert said(ran(), where) == verdict
    cluster = ran()
    boot = pod("new", node_name=where)
    cluster.put(Source.VMIS, vmi("new"))
    put(cluster, boot)
    assert cluster.pods[boot.metadata.uid].our_verdict == "fits"


def test_the_policy_of_the_vm_counts() -> None:
    """With `off` nobody asks about cells: the kubelet takes it."""
    assert said(ran(), "uneven", policy="off") == "fits"


def test_a_target_whose_cells_are_not_known_is_refused_for_none() -> None:
    """Nobody saw the boot: two zones may be as many as it has cells."""
    assert said(ran(known=False), "uneven") == "fits"


def test_a_hotplug_target_is_judged_by_what_runs() -> None:
    """8 of 12 vCPUs run and get pins in one zone; all twelve would lie in two."""
    cluster = ran()
    cluster.put(Source.PODS, running("more", "one", 6, 0))
    cluster.put(Source.VMIS, at("home", sockets=8, wanted=12))
    cluster.make_rows()
    assert said(cluster, "one", cpus=13) == "fits"


@pytest.mark.parametrize("where", ["", "uneven"])
def test_a_move_that_is_over_is_not_judged(where: str) -> None:
    """The VM runs there by now, or nowhere: what it was when it moved is not known, and no verdict is better than a guess."""
    cluster = ran()
    cluster.put(Source.VMIS, at(where))
    assert said(cluster, "uneven") == "none"


def test_a_target_of_a_vm_that_is_not_known() -> None:
    """Without its VMI it may be anything."""
    cluster = ran()
    cluster.delete(Source.VMIS, at("home"))
    assert said(cluster, "one") == "none"
