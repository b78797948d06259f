"""What counts as a difference; KubeVirt's code is not needed."""

from typing import Any

from tests.conformance.kubevirt.comparison import compare
from tests.conformance.kubevirt.generator import cases
from tests.conformance.kubevirt.replay import predict


def answered(case: dict[str, Any]) -> dict[str, Any]:
    """The case as if KubeVirt had answered what the model says."""
    return case | {key: value for key, value in predict(case).items() if key != "libvirt"}


def test_compare_sees_every_key() -> None:
    """Equal answers have no difference; a changed, an absent and an extra key, a panic and a broken case have one."""
    case = answered(next(case for case in cases(1, 50) if "memnodes" in predict(case).get("observed", {})))
    assert compare(case).differences == ()
    observed = case["observed"]
    for wrong in (
        observed | {"pins": observed["pins"][::-1] + [0]},
        observed | {"more": 1},
        {key: value for key, value in observed.items() if key != "memnodes"},
    ):
        assert len(compare(case | {"observed": wrong}).differences) == 1
    assert "panics" in compare({"name": "n", "panic": "index out of range"}).differences[0]
    assert "the model broke" in compare({"name": "n", "vm": {}}).differences[0]
