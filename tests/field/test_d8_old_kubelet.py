"""Kubelets of OpenShift 4.20 and 4.21 (1.33, 1.34) go by their own rules; others by a stand-in that is named."""

import json
from pathlib import Path

import pytest

from tests.kit.field import FIELD, Said, run

CASE = "d8-old-kubelet"


def asked(tmp_path: Path, version: str, output: str = "json") -> Said:
    """The case with another kubelet version."""
    text = (FIELD / CASE / "old.json").read_text()
    path = tmp_path / "cluster.json"
    path.write_text(text.replace('"kubeletVersion": "v1.33.4"', f'"kubeletVersion": {json.dumps(version)}'))
    return run(CASE, "explain", "--snapshot", str(path), "vms/a", output=output)


def rules(said: Said) -> str:
    """What the node's facts say of its version."""
    return {fact["name"]: fact["value"] for fact in said.nodes()["n133"]["facts"]}["kubeletVersion"]


def test_its_own_rules() -> None:
    """1.33 is modelled: no stand-in, and the fact says by which rules."""
    said = run(CASE, "explain", "--snapshot", "old.json", "vms/a")
    assert said.verdicts() == {"n133": ("fits", "Fits")}
    assert said.nodes()["n133"]["standIn"] == ""
    assert rules(said) == "v1.33.4 (rules of 1.33)"
    assert "judged by" not in run(CASE, "explain", "--snapshot", "old.json", "vms/a", output="wide").text


@pytest.mark.parametrize(
    ("version", "words", "shown"),
    [
        ("v1.31.4", "kubelet v1.31.4 is judged by the rules of 1.33", "v1.31.4 (rules of 1.33)"),
        ("v1.32.0+rke2r1", "kubelet v1.32.0+rke2r1 is judged by the rules of 1.33", "v1.32.0+rke2r1 (rules of 1.33)"),
        ("v1.39.1", "kubelet v1.39.1 is judged by the rules of 1.37", "v1.39.1 (rules of 1.37)"),
        ("v2.0.0", "kubelet version 'v2.0.0' cannot be read: judged by the rules of 1.37", "v2.0.0 (rules of 1.37)"),
        ("", "kubelet of unknown version is judged by the rules of 1.37", "unknown (rules of 1.37)"),
    ],
)
def test_the_stand_in_is_named(tmp_path: Path, version: str, words: str, shown: str) -> None:
    """At the top in every output, at the node in the wide one, and as a field."""
    said = asked(tmp_path, version)
    assert said.nodes()["n133"]["standIn"] == words
    assert words in said.answer["notes"]
    assert rules(said) == shown
    assert asked(tmp_path, version, "wide").text.count(words) == 2
    assert words in asked(tmp_path, version, "table").text


@pytest.mark.parametrize("version", ["v1.33.0", "v1.34.2+abc", "1.35.4", "v1.36.1-eks-1", "v1.37.2"])
def test_no_stand_in(tmp_path: Path, version: str) -> None:
    """The modelled minors, in the forms that distributions write."""
    assert asked(tmp_path, version).nodes()["n133"]["standIn"] == ""
