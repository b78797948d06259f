"""A zone offers whole CPUs: 15750m are 15."""

from tests.kit.field import run

CASE = "f9-milli-cpus"


def test_offers_are_rounded_down() -> None:
    """A VM of 16 CPUs never fits in a zone of 15.75."""
    said = run(CASE, "explain", "--snapshot", "snapshot.json", "vms/gpuvm")
    assert said.verdicts() == {"kwok-numa-0": ("refused", "NeverFitsZone")}


def test_the_whole_ones_are_offered() -> None:
    """A report whose capacity is its allocatable hides no reserved CPU in one of them."""
    said = run(CASE, "explain", "--snapshot", "snapshot.json", "vms/gpuvm15")
    assert said.verdicts() == {"kwok-numa-0": ("fits", "Fits")}
