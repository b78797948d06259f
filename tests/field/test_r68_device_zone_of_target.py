"""A vGPU that would lie in another zone than the VM's vCPUs: the layout is not that of before."""

from tests.kit.field import run

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
