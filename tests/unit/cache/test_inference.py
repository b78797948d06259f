"""The cells of a node's VMs are learned beside its row, a few at a time."""

from collections import Counter

import pytest

from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.cache.pods.pod import PodEntry
from extender.cache.vms import guest_cells as layouts
from extender.cache.vms.inference import AT_ONCE
from extender.kubevirt.launcher_pod import Guest
from tests.kit.objects import KUBELET_A, machine, node, pod, vmi

_START = "2026-01-01T00:00:00Z"
_VMS = 10


def _listed(readable: range) -> Cluster:
    """A node with ten VMs that run, at the first list; VMIs of these have a size that can be read."""
    cluster = Cluster()
    cluster.replace(Source.NODES, [node("a", KUBELET_A, machine())])
    cluster.replace(Source.VMIS, [vmi(f"vm{number}", 1, 1) for number in range(_VMS) if number in readable])
    cluster.replace(
        Source.PODS, [pod(f"vm{number}", 2, 1, node_name="a", start=_START, sidecar=False) for number in range(_VMS)]
    )
    return cluster


def _boots(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Boots that are played from now on, by VMI."""
    played: Counter[str] = Counter()
    plain = layouts.boot_domain

    def counted(state, pod, guest: Guest, sockets: int = 0):  # type: ignore[no-untyped-def]
        played[pod.vmi] += 1
        return plain(state, pod, guest, sockets)

    monkeypatch.setattr(layouts, "boot_domain", counted)
    return played


def test_a_step_plays_few_boots_and_none_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row comes first, and then no step plays more than it may."""
    cluster = _listed(range(_VMS))
    played = _boots(monkeypatch)
    steps = []
    before = 0
    while cluster.make_rows(1):
        steps.append(played.total() - before)
        before = played.total()
        assert not before or "a" in cluster.table
    steps.append(played.total() - before)
    assert max(steps) == AT_ONCE
    assert set(played.values()) == {1}
    assert len(played) == _VMS
    assert all(cluster.vms.guest_cells.cells(f"vmi-vm{number}") for number in range(_VMS))


def test_all_at_once_learns_the_same() -> None:
    """A call that makes every row learns every cell."""
    stepped, whole = _listed(range(_VMS)), _listed(range(_VMS))
    while stepped.make_rows(1):
        pass
    assert whole.make_rows() == 0
    uids = [f"vmi-vm{number}" for number in range(_VMS)]
    assert [stepped.vms.guest_cells.best_known(uid) for uid in uids] == [
        whole.vms.guest_cells.best_known(uid) for uid in uids
    ]


def test_vms_that_cannot_be_learned_do_not_keep_others_from_it() -> None:
    """Those whose VMI is not known are passed over, however many, and the work ends."""
    cluster = _listed(range(8, _VMS))
    for _ in range(50):
        if not cluster.make_rows(1):
            break
    else:
        pytest.fail("the work does not end")
    known = [bool(cluster.vms.guest_cells.cells(f"vmi-vm{number}")) for number in range(_VMS)]
    assert known == [False] * 8 + [True] * 2


def test_a_boot_that_cannot_be_told_is_played_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many steps the other VMs of its node take."""
    cluster = _listed(range(_VMS))
    played: Counter[str] = Counter()

    def untold(_state: object, entry: PodEntry, *_: object) -> None:
        played[entry.vmi] += 1

    monkeypatch.setattr(layouts, "boot_domain", untold)
    while cluster.make_rows(1):
        pass
    assert len(played) == _VMS
    assert set(played.values()) == {1}


def test_a_node_that_is_gone_teaches_nothing() -> None:
    """And is no work that is left."""
    cluster = _listed(range(_VMS))
    while "a" not in cluster.table:
        cluster.make_rows(1)
    cluster.replace(Source.PODS, [])
    cluster.replace(Source.NODES, [])
    assert cluster.make_rows() == 0
