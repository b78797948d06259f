"""A resize in place that the kubelet has not made: its status states what the pod has, its spec is a wish."""

from pathlib import Path
from typing import Any

import pytest

from tests.kit.field import Content, of_kind, run, run_changed

CASE = "resize-in-place"


@pytest.mark.parametrize(
    ("snapshot", "right"),
    [
        # 14 CPUs can be given; the VM asks for 9. A static CPU Manager calls a resize of a Guaranteed pod infeasible.
        ("grows.json", ("fits", "Fits")),
        ("sidecar.json", ("fits", "Fits")),
        ("shrinks.json", ("refused", "NodeCpuShort")),
        ("none.json", ("refused", "NodeCpuShort")),
        # Memory Manager Static holds what it gave: 1Gi, not the 31Gi of the spec.
        ("memory.json", ("fits", "Fits")),
    ],
)
def test_what_the_kubelet_gave_counts(snapshot: str, right: tuple[str, str]) -> None:
    """A wish takes nothing, and frees nothing."""
    assert run(CASE, "explain", "--snapshot", snapshot, "vms/virt-launcher-vm").verdicts() == {"n": right}


@pytest.mark.parametrize(
    ("asked", "status", "right"),
    [
        # The machine has 18 CPUs. What was given is not known, and the wish cannot have been granted.
        ("20", None, ("unknown", "ReportContradictsPods")),
        ("20", [], ("unknown", "ReportContradictsPods")),
        ("20", [{"name": "app"}], ("unknown", "ReportContradictsPods")),
        ("20", [{"name": "app", "allocatedResources": {"cpu": "six"}}], ("unknown", "ReportContradictsPods")),
        ("20", [{"name": "app", "allocatedResources": {"cpu": "-6"}}], ("unknown", "ReportContradictsPods")),
        ("20", [{"name": "other", "allocatedResources": {"cpu": "6"}}], ("unknown", "ReportContradictsPods")),
        ("20", [{"name": "app", "allocatedResources": {"cpu": 4}}], ("fits", "Fits")),
        # Half a CPU more was never exclusive.
        ("6", [{"name": "app", "allocatedResources": {"cpu": "5500m"}}], ("fits", "Fits")),
        ("6500m", [{"name": "app", "allocatedResources": {"cpu": "6"}}], ("refused", "NodeCpuShort")),
    ],
)
def test_a_status_that_says_less(tmp_path: Path, asked: str, status: Any, right: tuple[str, str]) -> None:
    """Then the request stands: the pod never counts as if it held nothing."""

    def less(content: Content) -> None:
        [pod] = [pod for pod in of_kind(content, "Pod") if pod["metadata"]["name"] == "app"]
        for amounts in pod["spec"]["containers"][0]["resources"].values():
            amounts["cpu"] = asked
        pod["status"]["containerStatuses"] = status

    said = run_changed(tmp_path, CASE, "grows.json", less, "explain", "vms/virt-launcher-vm")
    assert said.verdicts() == {"n": right}
