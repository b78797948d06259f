"""A vGPU that would lie in another zone than the VM's vCPUs: the layout is not that of before."""

from pathlib import Path

import pytest

from tests.kit.field import Content, of_kind, run, run_changed

CASE = "r68-device-zone-of-target"


def test_the_zone_of_the_device_counts() -> None:
    """vCPUs and vGPU in zone 0 before; at the target the only vGPUs are in zone 1."""
    said = run(CASE, "targets", "--snapshot", "r68.json", "vms/vg")
    move = said.nodes()["g2"]["migration"]
    assert move["outcome"] == "device in another zone"
    assert "nvidia.com/VGPU is in zone 1 (distance 20), the vCPUs in zone 0, before in that of cell 0" in move["text"]


def test_the_count_of_symmetric_targets_agrees() -> None:
    """It can go there, but not as before."""
    evacuable = run(CASE, "targets", "--snapshot", "r68.json", "vms/vg").answer["evacuable"]
    assert (evacuable["possible"], evacuable["symmetric"]) == (1, 0)


@pytest.mark.parametrize(
    ("free", "outcome", "possible", "symmetric"),
    [
        # vGPUs free in zones 0 and 1 of g2; None: the report names none there.
        ((2, 2), "device zone open", 1, 0),
        ((2, 0), "symmetric", 1, 1),
        ((0, 2), "device in another zone", 1, 0),
        ((None, None), "device zone open", 1, 0),
        ((0, 0), "kubelet refuses", 0, 0),
    ],
)
def test_where_devices_are_free(
    tmp_path: Path, free: tuple[int | None, ...], outcome: str, possible: int, symmetric: int
) -> None:
    """The outcome and the counts of evacuable targets agree."""

    def offered(content: Content) -> None:
        report = next(each for each in of_kind(content, "NodeResourceTopology") if each["metadata"]["name"] == "g2")
        for zone, amount in zip(report["zones"], free, strict=True):
            zone["resources"] = [each for each in zone["resources"] if each["name"] != "nvidia.com/VGPU"]
            if amount is not None:
                own = {"name": "nvidia.com/VGPU", "capacity": "2", "allocatable": "2", "available": str(amount)}
                zone["resources"].append(own)

    said = run_changed(tmp_path, CASE, "r68.json", offered, "targets", "vms/vg")
    assert said.nodes()["g2"]["migration"]["outcome"] == outcome
    counted = said.answer["evacuable"]
    assert (counted["possible"], counted["symmetric"]) == (possible, symmetric)
