"""Policy none knows no limit of zones."""

from tests.kit.field import run


def test_policy_none_is_judged_on_seventeen_zones() -> None:
    """With policy restricted the kubelet would try every set of zones, which is not judged."""
    said = run("d5-17-zones", "explain", "--snapshot", "r8_17.json", "vms/a")
    assert said.verdicts() == {"z17-none": ("fits", "Fits"), "z17": ("unknown", "TooManyZones")}
    assert (
        "or policy none" not in run("d5-17-zones", "explain", "--snapshot", "r8_17.json", "vms/a", output="table").text
    )
