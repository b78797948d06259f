"""A report that shows every pod corrects the row, and has to correct the model that the row is made of.

After a restart the model has both pods in zone 0; the exact report says 10 and 6 CPUs free, and the row follows it. But
what is assumed is placed by the model that was not corrected, so the second VM of a burst is sent where none fits.
"""

from dataclasses import dataclass

import pytest

from extender.kubelet.results import Admitted, Refused
from tests.kit.objects import nrt, pod
from tests.known_defects.scene import PLACEMENT_TRUTH, Answer, Extender, RealKubelet, churned, restart

SMALL, LARGE = pod("small", 6, 0), pod("large", 8, 0)


@dataclass(frozen=True, slots=True)
class Burst:
    """Two VMs of one burst, asked about one after the other, and admitted in this order."""

    extender: Extender
    first_row: list[int]
    #: free CPUs by zone after the first was assumed, and after the kubelet admitted it
    second_row: list[int]
    second_real: list[int]
    answers: tuple[Answer, Answer]
    verdicts: tuple[Admitted | Refused, Admitted | Refused]


def burst(first: str) -> Burst:
    churn = churned((8, 4, 10))
    kubelet: RealKubelet = churn.kubelet
    exact = nrt("n", [{"cpu": cpus} for cpus in kubelet.free()])
    extender = restart(churn.extender, nodes=[churn.node], reports=[exact], pods=churn.stay)
    order = (SMALL, LARGE) if first == "small" else (LARGE, SMALL)
    first_row = extender.free("n")
    answers = [extender.filter(order[0], "n")]
    verdicts = [kubelet.admit(order[0])]
    second_row, second_real = extender.free("n"), kubelet.free()
    answers.append(extender.filter(order[1], "n"))
    verdicts.append(kubelet.admit(order[1]))
    return Burst(extender, first_row, second_row, second_real, (answers[0], answers[1]), (verdicts[0], verdicts[1]))


def test_the_exact_report_corrects_the_row() -> None:
    """Its sums are those of the model, so its zones are believed."""
    assert burst("small").first_row == [10, 6]


@pytest.mark.parametrize("first", ["small", "large"])
def test_the_first_vm_is_told_what_its_kubelet_does(first: str) -> None:
    """It fits, and is admitted."""
    scene = burst(first)
    assert scene.answers[0].kept == ["n"]
    assert isinstance(scene.verdicts[0], Admitted)


def test_the_kubelet_refuses_the_large_vm_after_the_small_one() -> None:
    """The small one goes to zone 0; in the other order both are admitted."""
    assert isinstance(burst("small").verdicts[1], Refused)
    assert isinstance(burst("large").verdicts[1], Admitted)


def test_the_small_vm_fits_after_the_large_one() -> None:
    """In this order the answer is right."""
    assert burst("large").answers[1].kept == ["n"]


@PLACEMENT_TRUTH
@pytest.mark.parametrize("first", ["small", "large"])
def test_what_is_assumed_takes_the_zone_that_the_kubelet_gives(first: str) -> None:
    """Free CPUs by zone once the first VM is on its way, and once it is there."""
    scene = burst(first)
    assert scene.second_row == scene.second_real


@PLACEMENT_TRUTH
def test_the_second_vm_of_a_burst_is_not_told_fits_where_its_kubelet_refuses_it() -> None:
    """The large VM after the small one."""
    assert burst("small").answers[1].kept == []
