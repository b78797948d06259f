"""A node that is reconfigured while its pods run: they stay in their zones, and so they have to stay in the cache.

The history is that of a restart (test_restart.py), and nothing of ours restarts: the node's facts change. A kubelet that
restarts for it takes up its checkpoint.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest

from extender.api.objects import NodeResourceTopology
from extender.cache.nodes.pools import Pools
from extender.kubelet.results import Refused
from tests.kit.objects import nrt, pod
from tests.known_defects.scene import PLACEMENT_TRUTH, Answer, Churn, churned, ended

DEVICE = "example.com/vf"


def report(devices: int) -> NodeResourceTopology:
    """An exporter that leaves dedicated VMs out; `devices` are healthy in each zone."""
    return nrt("n", [{"cpu": 14, DEVICE: devices}, {"cpu": 16, DEVICE: devices}])


def device_plugin_restarts(churn: Churn) -> None:
    """No device is healthy while it does."""
    churn.extender.see(report(0))
    churn.extender.see(report(4))


def report_is_made_anew(churn: Churn) -> None:
    """The exporter's DaemonSet was deleted and applied again."""
    churn.extender.gone(report(4))
    churn.extender.see(report(4))


def kubelet_is_upgraded(churn: Churn) -> None:
    """To the next minor; the pods keep running."""
    host = churn.node
    info = msgspec.structs.replace(host.status.node_info, kubelet_version="v1.37.2")
    churn.extender.see(msgspec.structs.replace(host, status=msgspec.structs.replace(host.status, node_info=info)))


def option_is_proved(churn: Churn) -> None:
    """The kubelet refuses a pod of 3 CPUs on cores of two threads: full-pcpus-only is on, though not stated."""
    odd = pod("odd", 3, 0, node_name="n")
    churn.extender.see(odd)
    churn.extender.see(
        ended(odd, "SMTAlignmentError", "SMT Alignment Error: requested 3 cpus not multiple cpus per core = 2")
    )
    churn.extender.gone(odd)


def settings_are_reloaded(churn: Churn) -> None:
    """The same settings, read again."""
    churn.extender.cluster.configure(Pools(), promise_seconds=30.0, nrt_stale_after=0.0)


CHANGES = {
    "device plugin": device_plugin_restarts,
    "report": report_is_made_anew,
    "version": kubelet_is_upgraded,
    "option": option_is_proved,
}
WRONG_TODAY = [pytest.param(change, id=name, marks=PLACEMENT_TRUTH) for name, change in CHANGES.items()]
CASES = [*WRONG_TODAY, pytest.param(settings_are_reloaded, id="settings")]

Change = Callable[[Churn], None]


@dataclass(frozen=True, slots=True)
class Reconfigured:
    """The node before and after the change; `wide` is what is said of a VM of 14 CPUs."""

    churn: Churn
    zones_before: tuple[tuple[int, ...], ...]
    zones: tuple[tuple[int, ...], ...]
    wide_before: Answer
    free: list[int]
    wide: Answer


def played(change: Change) -> Reconfigured:
    churn = churned((8, 6, 8), report=report(4))
    extender, wide = churn.extender, pod("wide", 14, 0)
    zones_before = tuple(extender.zones("n", each) for each in churn.stay)
    wide_before = extender.filter(wide, "n")
    change(churn)
    free = extender.free("n")
    zones = tuple(extender.zones("n", each) for each in churn.stay)
    return Reconfigured(churn, zones_before, zones, wide_before, free, extender.filter(wide, "n"))


@pytest.mark.parametrize("change", [*CHANGES.values(), settings_are_reloaded])
def test_before_the_change_everything_is_as_the_kubelet_has_it(change: Change) -> None:
    """Free CPUs after each step, the zones of the pods that stay, and the refusal of a VM that is too wide."""
    scene = played(change)
    kubelet, ours = zip(*scene.churn.free, strict=True)
    assert ours == kubelet
    assert scene.zones_before == ((0,), (1,))
    assert scene.wide_before.kept == []
    assert isinstance(scene.churn.kubelet.admit(pod("wide", 14, 0)), Refused)


@pytest.mark.parametrize("change", CASES)
def test_the_zones_stay_as_the_kubelet_has_them(change: Change) -> None:
    """Free CPUs by zone: the kubelet has eight in each."""
    assert played(change).free == [8, 8]


@pytest.mark.parametrize("change", CASES)
def test_a_running_pod_stays_in_its_zone(change: Change) -> None:
    """Nothing moved."""
    assert played(change).zones == ((0,), (1,))


@pytest.mark.parametrize("change", CASES)
def test_what_is_told_fits_is_admitted(change: Change) -> None:
    """The VM of 14 CPUs is still refused, as by the kubelet."""
    assert played(change).wide.kept == []
