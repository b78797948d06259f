"""Memory in another zone than the CPUs counts in the rank as CPUs in two zones do."""

from tests.kit.field import run

CASE = "p1-remote-memory"


def test_everything_in_one_zone_comes_first() -> None:
    """`split` pins 8Gi over both zones, `local` has CPUs and memory in zone 0."""
    said = run(CASE, "explain", "--snapshot", "snapshot.json", "vms/virt-launcher-vm0-x")
    assert [(name, node["score"]) for name, node in said.nodes().items()] == [("local", 10), ("split", 9)]
    assert [zone["memoryGiven"].get("memory", 0) >> 30 for zone in said.nodes()["split"]["perZone"]] == [4, 4]
