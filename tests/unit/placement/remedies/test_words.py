"""The rules about words, over every cluster that there is here: those of the remedies, and all of tests/field."""

import pytest

from extender.api.objects import Pod
from extender.cache.cluster import Cluster
from extender.cli.cluster import cluster_of
from extender.errors import FastfitError
from extender.kubevirt.launcher_pod import PodRole, role_of
from extender.placement.explain import explain
from extender.runtime.settings import settings_for
from extender.snapshot import Snapshot, read
from tests.kit.field import FIELD
from tests.unit.placement.remedies.scene import Case
from tests.unit.placement.remedies.test_remedies import EACH
from tests.unit.placement.remedies.words import wrong_words

FILES = [str(path.relative_to(FIELD)) for path in sorted(FIELD.rglob("*.json"))]


@EACH
def test_of_each_code(case: Case) -> None:
    """Before the remedy and after it."""
    scene = case.scene()
    assert list(wrong_words(scene.cluster, scene.at())) == []
    case.cure(scene)
    assert list(wrong_words(scene.cluster, scene.at())) == []


def _snapshot(path: str) -> Snapshot | None:
    try:
        return read(FIELD / path)
    except FastfitError:
        return None  # a machine, a kubelet's file, a call


def _asked(cluster: Cluster, pods: list[Pod]) -> list[tuple[str, str, str]]:
    return [
        (pod.metadata.name, node.node, words)
        for pod in pods
        if role_of(pod) is not PodRole.OTHER
        for node in explain(cluster, pod).nodes
        for words in wrong_words(cluster, node)
    ]


@pytest.mark.parametrize("path", FILES)
def test_of_each_field_case(path: str) -> None:
    """Every launcher pod that a file has."""
    snapshot = _snapshot(path)
    if snapshot is None or not snapshot.records:
        return
    cluster = cluster_of(snapshot, settings_for(None, snapshot))
    assert _asked(cluster, snapshot.pods()) == []
