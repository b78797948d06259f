"""Huge pages of every pod count: of Burstable guests and DPDK pods it is not known in which zone they lie."""

import pytest

from tests.kit.field import run

CASE = "d1-burstable-pages"
OPEN = ("unknown", "PagesNotReported")
FITS = ("fits", "Fits")


def test_pages_of_burstable_guests_are_certain_in_no_zone() -> None:
    """112 of 128 pages are held: 16 are left, and no zone has them for certain. No target is called symmetric."""
    said = run(CASE, "targets", "--snapshot", "m1.json", "vms/db")
    assert said.verdicts()["dst"] == OPEN
    assert said.nodes()["dst"]["migration"]["outcome"] == "not known"
    assert "0 symmetric, 0 possible" in run(CASE, "targets", "--snapshot", "m1.json", "vms/db", output="table").text


def test_the_pods_whose_pages_are_open_are_named() -> None:
    """With what they leave open, zone by zone."""
    said = run(CASE, "explain", "--snapshot", "m1.json", "vms/db", output="wide")
    assert "hugepages-1Gi free: zone 0: 0Gi to 16Gi, zone 1: 0Gi to 16Gi" in said.text
    assert "vms/virt-launcher-m1-0" in said.text
    assert "and 4 more" in said.text


def test_a_vm_with_huge_pages_is_not_ordinary() -> None:
    """It asks for pages; in which zone is open, so that no node is ranked for it."""
    said = run(CASE, "explain", "--snapshot", "m1.json", "vms/m1-0")
    assert "ordinary" not in said.text
    assert said.verdicts() == {"dst": FITS, "src": FITS}
    assert {node["score"] for node in said.nodes().values()} == {0}


@pytest.mark.parametrize(
    ("snapshot", "pod", "right"),
    [
        # 64 pages in each of two zones; a DPDK pod holds some in either: 24 are left in each at least
        ("dpdk-some.json", "virt-launcher-vm", FITS),
        # 100: none is certain anywhere, 28 are somewhere
        ("dpdk-most.json", "virt-launcher-vm", OPEN),
        # nothing binds the pages of a guest without passthrough where Memory Manager is off: it takes them where they are
        ("dpdk-most.json", "virt-launcher-plain", FITS),
        # 120: 8 are left, wherever they are
        ("dpdk-all.json", "virt-launcher-vm", ("refused", "ZonePagesShort")),
        ("dpdk-all.json", "virt-launcher-m1", ("refused", "ZoneMemoryShort")),
        # Memory Manager Static pins, and knows nothing of pages that a Burstable pod has touched
        ("memory-static.json", "virt-launcher-vm", OPEN),
        ("memory-static.json", "virt-launcher-plain", OPEN),
        # only one zone has pages: there is nothing open
        ("one-zone.json", "virt-launcher-vm", FITS),
        # Guaranteed without exclusive CPUs, Memory Manager off
        ("fraction-cpus.json", "virt-launcher-vm", OPEN),
        # pod-level resources pin nothing
        ("pod-level.json", "virt-launcher-vm", OPEN),
        # of another size
        ("other-size.json", "virt-launcher-vm", FITS),
        # an init container's
        ("init.json", "virt-launcher-vm", OPEN),
        # a group of two zones of four holds 40: the other two are certain
        ("group.json", "virt-launcher-vm", FITS),
    ],
)
def test_more_of_the_kind(snapshot: str, pod: str, right: tuple[str, str]) -> None:
    """What is free for certain fits, what is free nowhere is refused, all else is unknown."""
    assert run(CASE, "explain", "--snapshot", snapshot, f"vms/{pod}").verdicts() == {"n": right}
