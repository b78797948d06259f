"""A CPU Manager option that counts do not decide, on a node whose machine is stated."""

from tests.kit.field import run

CASE = "d6-uncore-stated"


def test_the_twin_decides() -> None:
    """41 CPUs by uncore caches: 25 and 16 in the two zones, and 40 pages of the guest in each."""
    said = run(CASE, "explain", "--snapshot", "r5b.json", "vms/b")
    node = said.nodes()["unc"]
    assert said.verdicts()["unc"] == ("fits", "Fits")
    assert [zone["cpusGiven"] for zone in node["perZone"]] == [25, 16]
    assert [zone["memoryGiven"]["hugepages-1Gi"] >> 30 for zone in node["perZone"]] == [40, 40]


def test_the_remedy_is_not_what_is_stated() -> None:
    """The machine is stated."""
    said = run(CASE, "explain", "--snapshot", "r5b.json", "vms/b", output="wide")
    assert "state the machine" not in said.text
