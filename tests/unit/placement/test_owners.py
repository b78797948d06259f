"""`migrationFromOwners: false`: the settings decide on targets, and explain says whose annotation is not followed."""

import pytest

from extender import config
from extender.cli.cluster import cluster_of
from extender.config import Settings
from extender.kubevirt.migration.policy import MigrationPolicy, policy_of
from extender.placement.explain import explain
from extender.sample.generate import CLUSTER
from extender.snapshot import read
from tests.kit.migration_cluster import BY_ID, asked, at, cluster_of_row
from tests.kit.migrations import target


@pytest.mark.parametrize("annotation", [None, "strict", "prefer", "off", "Strict", "x" * 100_000])
@pytest.mark.parametrize("setting", list(MigrationPolicy))
def test_the_setting_holds_for_every_vm(annotation: str | None, setting: MigrationPolicy) -> None:
    """Whatever stands there counts for nothing, and is told in a short text."""
    annotations = {} if annotation is None else {"fastfit.dev/migration": annotation}
    found, told = policy_of(annotations, setting, owners_decide=False)
    assert found is setting
    assert ("migrationFromOwners" in told) == (annotation is not None)
    assert len(told) < 200


def test_an_owners_strict_blocks_no_drain() -> None:
    """A target that strict refuses passes where the setting alone decides."""
    row = next(row for row in BY_ID.values() if at(asked(cluster_of_row(row), row.vm)).verdict == "fits"
               and at(asked(cluster_of_row(row), row.vm, policy="strict")).verdict == "refused")  # fmt: skip
    cluster = cluster_of_row(row)
    cluster.owners_decide = False
    assert at(asked(cluster, row.vm, policy="strict")).verdict == "fits"


def test_explain_shows_whose_annotation_is_not_followed() -> None:
    """Among the notes of the answer, with the name of the setting; without an annotation there is no note."""
    row = BY_ID["M3"]
    cluster = cluster_of_row(row)
    cluster.owners_decide = False
    for policy, noted in (("strict", True), (None, False)):
        pod = target("vm", policy=policy) if policy else target("vm")
        notes = explain(cluster, pod).notes
        assert any("not followed (migrationFromOwners: false)" in note for note in notes) is noted


def test_commands_and_the_service_follow_the_setting() -> None:
    """The file's field reaches the cache, at the start and while running; the default is that owners decide."""
    text = "apiVersion: fastfit.dev/v1alpha1\nkind: FastfitConfiguration\nmigrationFromOwners: false\n"
    off = config.parse(text, "file")
    snapshot = read(CLUSTER)
    assert cluster_of(snapshot, Settings()).owners_decide
    assert not cluster_of(snapshot, off).owners_decide
    assert not config.needs_restart(Settings(), off)
