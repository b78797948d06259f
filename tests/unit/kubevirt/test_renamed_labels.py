"""Labels under two names."""

import pytest

from extender.kubevirt.renamed_labels import RENAMED, label_of, names_of

NEW, OLD = "kubevirt.io/cpumanager", "cpumanager"


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ({}, None),
        ({OLD: "true"}, (OLD, "true")),
        ({NEW: "true"}, (NEW, "true")),
        ({OLD: "true", NEW: "false"}, (NEW, "false")),
    ],
)
def test_the_newer_name_wins(labels: dict[str, str], found: tuple[str, str] | None) -> None:
    """And the name that it was found by is told."""
    assert label_of(labels, NEW) == found


def test_a_label_that_was_not_renamed_has_one_name() -> None:
    """Others are looked up as they are."""
    assert names_of("kubevirt.io/schedulable") == ("kubevirt.io/schedulable",)
    assert label_of({"kubevirt.io/schedulable": "true"}, "kubevirt.io/schedulable") == (
        "kubevirt.io/schedulable",
        "true",
    )


def test_each_rename_has_its_release() -> None:
    """One line per label, within the releases that we know."""
    assert all(label.since.split(".")[0] == "1" and 3 <= int(label.since.split(".")[1]) <= 9 for label in RENAMED)
    assert len({label.name for label in RENAMED} | {label.older for label in RENAMED}) == 2 * len(RENAMED)
