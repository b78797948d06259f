"""A request of zero asks for nothing."""

from tests.kit.field import run


def test_zero_huge_pages_need_no_page_size() -> None:
    """node1 has no 2Mi pages at all."""
    said = run("p2-zero-request", "explain", "--snapshot", "snapshot.json", "vms/virt-launcher-vm0-x")
    assert said.verdicts() == {"node1": ("fits", "Fits"), "node2": ("fits", "Fits")}
