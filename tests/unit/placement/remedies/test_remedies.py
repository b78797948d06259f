"""No remedy that is already true: each cause of each code, and the same cluster with the remedy applied."""

import pytest

from _fastfit.codes import Code
from extender.reasons import REASONS, verdict_of
from tests.unit.placement.remedies.refused import REFUSED
from tests.unit.placement.remedies.scene import Case
from tests.unit.placement.remedies.unknown import UNKNOWN

CASES = [*UNKNOWN, *REFUSED]
EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)

#: Codes that no remedy ends, or that explain does not show, each with the reason.
WITHOUT = {
    Code.Fits: "nothing is to be remedied",
    Code.NodeNotSeen: "explain asks about nodes that are seen; in a call it passes with the node's first event",
    Code.GroupsNotKnown: "no verdict gives it any more",
    Code.NotChecked: "of one call: it passes with the pods that are on their way",
    Code.OrderUndecided: "of one call: it passes when the other pod is bound",
    Code.ProbeUnderWay: "of one call: it passes when the first pod is admitted",
}


def test_every_code_has_a_case() -> None:
    """A new code needs a cluster that shows it, and a remedy that ends it; or a reason why it has none."""
    shown = {case.code for case in CASES}
    assert not shown & WITHOUT.keys()
    assert shown | WITHOUT.keys() == set(REASONS) == set(Code)


@EACH
def test_the_remedy_ends_it(case: Case) -> None:
    """The code is shown with a remedy; applied as the words say, another verdict is given."""
    scene = case.scene()
    before = scene.at()
    assert before.code == case.code.name, before
    assert case.says in before.advice
    case.cure(scene)
    after = scene.at()
    assert after.code == case.after.name, (after.code, after.text, after.advice)


@EACH
def test_the_same_words_are_not_said_of_the_cured_node(case: Case) -> None:
    """A remedy names nothing that is there already."""
    scene = case.scene()
    scene.at()
    case.cure(scene)
    assert case.says not in scene.printed()


@EACH
def test_nothing_is_shown_as_if_placed(case: Case) -> None:
    """A pod that does not fit gets no CPUs, no memory, no zones, no cells."""
    node = case.scene().at()
    assert node.verdict == verdict_of(case.code)
    assert (node.zones, node.cells) == ((), 0)
    assert all(not zone.cpus_given and not zone.memory_given for zone in node.per_zone)


@EACH
def test_words_do_not_contradict_each_other(case: Case) -> None:
    """Not now, and not even on the empty node; other pods, on an empty node."""
    scene = case.scene()
    text = scene.printed()
    if "not even" in text or "never fits" in text:
        assert "not now" not in text
    if not scene.cluster.pods:
        for words in ("other pods", "tied by", "held by", "Free CPUs on the node", "not now"):
            assert words not in text, text
    if verdict_of(case.code) == "unknown":
        assert "would admit" not in text
