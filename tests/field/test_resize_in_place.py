"""A resize in place that the kubelet has not made: its status states what the pod has, its spec is a wish."""

import pytest

from tests.kit.field import run

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
