"""A resource that the report leaves out is not zero."""

from tests.kit.field import run

CASE = "p4-resource-left-out"
POD = "vms/virt-launcher-vm0-x"


def test_cpus_left_out() -> None:
    """Memory, pages and a NIC are named, and the node's label says that its CPU Manager is static."""
    said = run(CASE, "explain", "--snapshot", "excluded-bare-cpu-2c.json", POD)
    assert said.verdicts() == {"node2": ("unknown", "CpusNotReported")}


def test_a_page_size_left_out() -> None:
    """The node has 2Mi pages, its Memory Manager is stated Static, and no zone names them."""
    said = run(CASE, "explain", "--snapshot", "excluded-facts-hugepages-2Mi-2c_hp.json", POD)
    assert said.verdicts() == {"node2": ("unknown", "PagesNotReported")}
