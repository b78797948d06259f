"""What cannot be read is named with its path, and makes nothing else unreadable."""

from tests.kit.field import run

CASE = "u8-bad-amounts"


def test_a_bad_amount_names_the_report() -> None:
    """Not the node's annotations, of which it has none."""
    said = run(CASE, "explain", "--snapshot", "badnrt.json", "vms/cx")
    assert set(said.verdicts().values()) == {("unknown", "ReportUnreadable")}
    text = run(CASE, "explain", "--snapshot", "badnrt.json", "vms/cx", output="table").text
    assert "NodeResourceTopology mix-1: zones[0].resources[0] (cpu of node-0).available: quantity '12 cores'" in text
    assert "annotation" not in text


def test_a_whole_number_written_as_a_fraction_is_read() -> None:
    """maxHotplugRatio: 1.0 is 1; the rest of the snapshot is judged."""
    said = run(CASE, "explain", "--snapshot", "hot_ratio1f.json", "vms/large-numa-vm")
    assert said.verdicts() == {"n1": ("fits", "Fits")}
    assert "$.spec.configuration.liveUpdateConfiguration.maxHotplugRatio: 1.0 is read as 1" in said.text
