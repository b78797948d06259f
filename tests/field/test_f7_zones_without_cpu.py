"""NFD's excludeList takes cpu out of a report: no CPUs per zone are known, which is not zero."""

from tests.kit.field import run

CASE = "f7-zones-without-cpu"


def test_a_report_without_cpus_leaves_the_node_unknown() -> None:
    """nfd-x names memory and pages alone; nfd-y, a node with huge pages, names CPUs alone."""
    said = run(CASE, "explain", "--snapshot", "snapshot.json", "vms/nodev")
    assert said.verdicts() == {
        "nfd-x": ("unknown", "CpusNotReported"),
        "nfd-y": ("unknown", "MemoryManagerNotKnown"),
    }


def test_the_cause_is_named() -> None:
    """No word of CPUs that the zones do not have."""
    text = run(CASE, "explain", "--snapshot", "snapshot.json", "vms/nodev", output="table").text
    assert "the report names hugepages-1Gi, memory and no CPUs" in text
    assert "zone 0 has" not in text
