"""Memory's zones and free devices in the rank of fitting nodes."""

from dataclasses import replace

from _fastfit import Ask, ContainerAsk, Policy, Row
from tests.kit.kernel.backends import Backend
from tests.kit.kernel.rows import GI, GPU, PAGES, ask, names, row, vm, zone

#: 4 CPUs, 8Gi of memory.
SMALL = ask((2, 4, 8, 0))
NIC = "example.com/nic"


def order(backend: Backend, wanted: Ask, *nodes: Row) -> list[str]:
    """The nodes that fit, best first; nodes are given in an order of names that is the other way round."""
    table = backend.table(*nodes)
    return [entry.name for entry in table.fit(table.prepare(wanted), names(*nodes)).entries() if entry.code == 0]


def pinned(name: str, *memory: float, used: int = 0) -> Row:
    """A node whose Memory Manager pins: GiB of memory by zone, and CPUs of zone 0 that are taken."""
    zones = [zone(place, 16 - (0 if place else used), memory=amount) for place, amount in enumerate(memory)]
    return row(zones, Policy.BEST_EFFORT, name=name, memory_static=True)


def test_memory_in_two_zones_is_two_zones(backend: Backend) -> None:
    """CPUs in one zone and memory over two come behind everything in one zone, however tight they are."""
    assert order(backend, SMALL, pinned("a-split", 6, 6, used=12), pinned("b-local", 64, 64)) == ["b-local", "a-split"]
    three = pinned("a-three", 3, 3, 3)
    assert order(backend, SMALL, three, pinned("b-two", 6, 6)) == ["b-two", "a-three"]


def test_memory_pinned_beside_the_cpus_of_a_guest_with_cells(backend: Backend) -> None:
    """Its cells are counted alone; memory over two zones makes the node a farther one."""
    wanted = vm(4, 4, cores=3, sidecar=False)
    zones = [zone(0, 4, memory=0.25), zone(1, 0)]
    split = row(zones, Policy.BEST_EFFORT, name="a-split", memory_static=True)
    assert order(backend, wanted, split, pinned("b-local", 8, 8)) == ["b-local", "a-split"]


def test_huge_pages_that_the_zone_of_the_cpus_lacks(backend: Backend) -> None:
    """Nothing pins them, so they come from another zone: not the tightest fit but the remotest."""
    wanted = ask((2, 4, 1, 8), pages=((PAGES, 8 * GI),))
    short = row([zone(0, 4, physical=3), zone(1, 2, physical=32)], name="a-short")
    whole = row([zone(0, 16, physical=32), zone(1, 2, physical=32)], name="b-whole")
    assert order(backend, wanted, short, whole) == ["b-whole", "a-short"]
    # Where a zone's pages are not known nothing is counted.
    open_ = row([zone(0, 4, physical=3), zone(1, 2, physical=None)], name="a-open")
    assert order(backend, wanted, open_, whole)[0] == "a-open"


def devices(name: str, free: int, total: int = 2, kind: str = GPU, cpus: int = 8) -> Row:
    """A node of one zone with these devices."""
    return row([zone(0, cpus, device_total={kind: total}, device_free={kind: free})], name=name)


def test_free_devices_are_kept_for_who_asks(backend: Backend) -> None:
    """A pod without devices goes where none is free; what is taken does not count; a tighter fit counts less."""
    plain, gpu, taken = row([zone(0, 8)], name="z-plain"), devices("a-gpu", 1), devices("b-taken", 0)
    assert order(backend, SMALL, gpu, taken, plain) == ["b-taken", "z-plain", "a-gpu"]
    assert order(backend, SMALL, devices("a-gpu", 1, cpus=4), plain) == ["z-plain", "a-gpu"]
    # Fewer cells count more.
    wide = ask((2, 12, 1, 0))
    two = row([zone(0, 8), zone(1, 8)], Policy.BEST_EFFORT, name="z-two")
    assert order(backend, wide, two, devices("a-gpu", 2, cpus=16)) == ["a-gpu", "z-two"]


def test_who_asks_for_one_device_leaves_the_others(backend: Backend) -> None:
    """Asked ones are no reason to stay away; a request of zero asks for nothing."""
    both = row([zone(0, 8, device_total={GPU: 2, NIC: 2}, device_free={GPU: 2, NIC: 2})], name="a-both")
    wanted = Ask((ContainerAsk(2, 4, (("memory", GI),), ((GPU, 1),)),))
    assert order(backend, wanted, both, devices("z-gpu", 2)) == ["z-gpu", "a-both"]
    nothing = replace(wanted, containers=(replace(wanted.containers[0], devices=((GPU, 0),)),))
    assert order(backend, nothing, devices("a-gpu", 2), row([zone(0, 8)], name="z-plain")) == ["z-plain", "a-gpu"]
