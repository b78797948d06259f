"""Memory in a report proves a static Memory Manager only where it comes from the kubelet."""

from tests.kit.field import run

CASE = "f10-memory-means-static"
SNAPSHOT = ("--snapshot", "snapshot-bigmem.json")


def test_where_memory_manager_matters_it_is_unknown() -> None:
    """121Gi in zones of 100Gi: refused with Memory Manager Static, admitted without."""
    said = run(CASE, "explain", *SNAPSHOT, "vms/bigmem")
    assert said.verdicts()["koord-2"] == ("unknown", "MemoryManagerNotKnown")


def test_where_it_does_not_the_node_is_judged() -> None:
    """8Gi fit either way."""
    assert run(CASE, "explain", *SNAPSHOT, "vms/plain").verdicts()["koord-2"] == ("fits", "Fits")


def test_a_placeholder_zone_is_named() -> None:
    """A report of which no zone is a NUMA node."""
    said = run(CASE, "explain", *SNAPSHOT, "vms/bigmem", output="table")
    assert "fake-name (type fake-type)" in said.text
