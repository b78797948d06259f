"""The catalogue of machines: every shape is whole, and has the numbers that its source gives."""

import pytest

from extender.kubelet.facts_json import machine_from_json, machine_to_json
from tests.kit.machines import SHAPES, parse


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_a_machine(name: str) -> None:
    """The golden format's own strict reader takes it, and gives the same record as the direct way."""
    machine = SHAPES[name]({"2Mi": 64})
    assert machine_from_json(machine, name) == parse(machine)
    assert machine_to_json(parse(machine)) == machine


@pytest.mark.parametrize("name", SHAPES)
def test_distances_are_symmetric_and_10_to_oneself(name: str) -> None:
    """A SLIT of 10 means here; both directions cost the same on all of these machines."""
    rows = [zone["distances"] for zone in SHAPES[name](None)["numa"]]
    for a, row in enumerate(rows):
        assert row[a] == 10
        assert all(distance > 10 and distance == rows[b][a] for b, distance in enumerate(row) if b != a)


@pytest.mark.parametrize(
    ("name", "zones", "cpus"),
    [
        ("H1", 2, 80),
        ("H2", 4, 80),
        ("H6", 2, 80),
        ("H7", 8, 256),
        ("H8", 8, 128),
        ("H9", 8, 96),
        ("H10", 8, 32),
        ("H11", 8, 384),
        ("H12", 4, 384),
        ("H14", 4, 64),
        ("H15", 8, 112),
        ("H16", 16, 192),
        ("H17", 2, 192),
        ("H18", 2, 160),
        ("H19", 4, 128),
        ("H20", 9, 72),
        ("H22", 8, 176),
        ("H23", 4, 40),
        ("H25", 8, 384),
        ("H26", 24, 384),
        ("H27", 8, 64),
        ("H28", 8, 48),
    ],
)
def test_zones_and_cpus(name: str, zones: int, cpus: int) -> None:
    """Zones and logical CPUs as in the catalogue."""
    machine = parse(SHAPES[name](None))
    assert len(machine.zones) == zones
    assert sum(len(core.threads) for zone in machine.zones for core in zone.cores) == cpus


def test_numbering_of_known_machines() -> None:
    """Siblings and interleaving that break code which expects ranges."""
    xeon, snc2, epyc = (parse(SHAPES[name](None)) for name in ("H1", "H2", "H7"))
    assert xeon.zones[0].cores[1].threads == (2, 42)
    assert snc2.zones[3].cores[0].threads == (3, 43)
    assert [zone.cores[0].socket for zone in snc2.zones] == [0, 1, 0, 1]
    assert epyc.zones[7].cores[15].threads == (127, 255)
    assert len({core.l3 for core in epyc.zones[0].cores}) == 4


def test_pages_go_where_memory_is() -> None:
    """Pages given for all zones skip memory-less ones; pages by zone id go to that zone alone."""
    ripper = parse(SHAPES["H14"]({"1Gi": 8}))
    assert [dict(zone.hugepages) for zone in ripper.zones] == [{"1Gi": 8}, {}, {"1Gi": 8}, {}]
    uneven = parse(SHAPES["H1"]({1: {"2Mi": 5}}))
    assert [dict(zone.hugepages) for zone in uneven.zones] == [{}, {"2Mi": 5}]
