"""A restart of the extender: where running pods hold their CPUs does not follow from their start times.

A pod of 8 CPUs and one of 6 come to zone 0, one of 8 to zone 1; then the first ends. Played again from their start times
the two that stay both go to zone 0. The exporter leaves dedicated VMs out, so it corrects nothing.
"""

from dataclasses import dataclass

import pytest

from extender.kubelet.results import Admitted, Refused
from tests.kit.objects import pod
from tests.known_defects.scene import PLACEMENT_TRUTH, Answer, Churn, Extender, churned, hidden_vms, restart


@dataclass(frozen=True, slots=True)
class Restarted:
    """The node before and after, and what is said of a VM of 14 CPUs."""

    churn: Churn
    new: Extender
    #: free CPUs by zone once the new process had read everything: the kubelet's and ours
    real: list[int]
    ours: list[int]
    before: Answer
    after: Answer
    kubelet: Admitted | Refused


@pytest.fixture
def scene() -> Restarted:
    churn = churned((8, 6, 8))
    wide = pod("wide", 14, 0)
    before = churn.extender.filter(wide, "n")
    new = restart(churn.extender, nodes=[churn.node], reports=[hidden_vms()], pods=churn.stay)
    real, ours = churn.kubelet.free(), new.free("n")
    return Restarted(churn, new, real, ours, before, new.filter(wide, "n"), churn.kubelet.admit(wide))


def test_before_the_restart_every_step_is_as_the_kubelet_has_it(scene: Restarted) -> None:
    """Free CPUs by zone, after each admission and after the end."""
    kubelet, ours = zip(*scene.churn.free, strict=True)
    assert kubelet == ([6, 16], [0, 16], [0, 8], [8, 8])
    assert ours == kubelet


def test_before_the_restart_the_wide_vm_is_refused_as_by_the_kubelet(scene: Restarted) -> None:
    """No zone has 14 CPUs free."""
    assert scene.before.kept == []
    assert isinstance(scene.kubelet, Refused)
    assert scene.kubelet.reason == "TopologyAffinityError"


def test_the_sum_survives_the_restart(scene: Restarted) -> None:
    """The pods that are there hold what they hold, whatever their zones; and nothing happened on the node."""
    assert sum(scene.ours) == sum(scene.real) == 16


@PLACEMENT_TRUTH
def test_after_the_restart_the_zones_are_as_the_kubelet_has_them(scene: Restarted) -> None:
    """Free CPUs by zone of the new process, before it is asked anything."""
    assert scene.ours == scene.real


@PLACEMENT_TRUTH
def test_a_running_pod_stays_in_its_zone(scene: Restarted) -> None:
    """Both that stayed; guest cells and migrations are judged by these zones."""
    first, second = scene.churn.stay
    assert (scene.new.zones("n", first), scene.new.zones("n", second)) == ((0,), (1,))


@PLACEMENT_TRUTH
def test_what_is_told_fits_is_admitted(scene: Restarted) -> None:
    """No VM is sent to a node whose kubelet refuses it."""
    assert scene.after.kept == []
