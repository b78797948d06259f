"""Early exporters publish no `available`: free is what is allocatable less the pods that are seen, and never zero."""

import json
from pathlib import Path

from tests.kit.field import FIELD, run

CASE = "f8-no-available"


def test_free_is_allocatable_less_the_pods() -> None:
    """No pod is bound: all 38 CPUs of a zone are free."""
    said = run(CASE, "explain", "--snapshot", "snapshot.json", "vms/plain")
    assert said.verdicts() == {"early-1": ("fits", "Fits")}


def test_without_pods_it_is_unknown(tmp_path: Path) -> None:
    """A file that holds no pods says nothing of what is free."""
    content = json.loads((FIELD / CASE / "snapshot.json").read_text())
    pod = next(item for item in content["items"] if item["kind"] == "Pod")
    content["items"].remove(pod)
    content |= {"apiVersion": "fastfit.dev/v1alpha1", "kind": "FastfitSnapshot", "extender": {"absent": ["pods"]}}
    snapshot, manifest = tmp_path / "s.json", tmp_path / "p.json"
    snapshot.write_text(json.dumps(content))
    manifest.write_text(json.dumps(pod))
    said = run(CASE, "explain", "--snapshot", str(snapshot), str(manifest))
    assert said.verdicts() == {"early-1": ("unknown", "CpusNotReported")}
