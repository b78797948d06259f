"""The guest model at a live migration: cells of the boot on the pins of the target, and libvirt's verdict."""

from dataclasses import replace
from fractions import Fraction

import pytest

from extender.kubelet.model import Core, Machine, Zone
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.domain import Domain, GuestError, GuestFault, local_share, unbound_bytes, zone_pages
from extender.kubevirt.guest.size import GuestSize
from extender.kubevirt.migration.target_domain import MEMNODE_REFUSAL, libvirt_refusal, migrate, with_unassigned_vcpus
from tests.kit.golden import cpus_of

GI = 1 << 30
#: 4 zones of 16 CPUs, no SMT
HOST = Machine(
    4, tuple(Zone(z, 64 * GI, {}, (), tuple(Core(z, None, (z * 16 + c,)) for c in range(16))) for z in range(4))
)
SMALL = GuestSize(sockets=8, memory_bytes=16 * GI, page_bytes=GI, passthrough=True)


def running(cpuset: str, guest: GuestSize = SMALL) -> Domain:
    """The domain of a boot that must succeed."""
    domain = boot(HOST, cpus_of(cpuset), guest)
    assert isinstance(domain, Domain), domain
    return domain


def moved(source: Domain, cpuset: str, guest: GuestSize = SMALL, enabled: int | None = None) -> Domain:
    """The domain of a target whose preparation must succeed."""
    domain = migrate(source, HOST, cpus_of(cpuset), guest, enabled_sockets=enabled)
    assert isinstance(domain, Domain), domain
    return domain


@pytest.mark.parametrize(
    ("source", "target", "refused"),
    [
        ("0-7", "32-39", False),
        ("0-7", "0-3,16-19", True),
        ("0-4,16-18", "0-2,16-20", False),
        ("0-4,16-18", "0-7", False),
        ("0-4,16-18", "0-2,16-18,32-33", True),
        ("0-2,16-18,32-33", "0-3,16-19", False),
    ],
)
def test_libvirt_refuses_more_zones_than_cells(source: str, target: str, refused: bool) -> None:
    """T > S is refused with the memnode message; T <= S is accepted."""
    assert libvirt_refusal(moved(running(source), target)) == (MEMNODE_REFUSAL if refused else None)


def test_first_boot_is_accepted() -> None:
    """A boot's domain always names the cells that it has."""
    assert libvirt_refusal(running("0-2,16-18,32-33")) is None


def test_cells_stay_pins_change() -> None:
    """5+3 to 3+5: membership and memory of the cells are those of the boot, pins and binding those of the target."""
    source = running("0-4,16-18")
    target = moved(source, "32-34,48-52")
    assert target.cells == source.cells
    assert target.cell_page_bytes == source.cell_page_bytes
    assert target.pins == (32, 33, 34, 48, 49, 50, 51, 52)
    assert target.memnodes == target.nodeset == (2, 3)
    assert zone_pages(target) == {2: 8 * GI, 3: 8 * GI}


@pytest.mark.parametrize(
    ("target", "share"), [("32-36,48-50", Fraction(1)), ("32-34,48-52", Fraction(6, 8)), ("0-7", Fraction(1))]
)
def test_local_share(target: str, share: Fraction) -> None:
    """The same split and a single zone keep all vCPUs at their memory, 5+3 to 3+5 six of eight."""
    assert local_share(moved(running("0-4,16-18"), target)) == share


def test_fewer_zones_leave_memory_a_choice() -> None:
    """3 cells on 2 zones: cells 0 and 1 are bound, cell 2 lies in either zone and is half local wherever it runs."""
    target = moved(running("0-2,16-18,32-33"), "0-3,16-19")
    assert zone_pages(target) == {0: 6 * GI, 1: 5 * GI}
    assert unbound_bytes(target) == 5 * GI
    assert local_share(target) == Fraction(3 + 2 + 1, 8)


def test_one_zone_holds_all_cells() -> None:
    """2 cells on 1 zone: the nodeset leaves no choice, so the zone must hold everything."""
    target = moved(running("0-4,16-18"), "32-39")
    assert target.memnodes == (2,)
    assert (zone_pages(target), unbound_bytes(target)) == ({2: 16 * GI}, 0)


def test_preparation_error_comes_first() -> None:
    """A target that cannot hold the VM fails before the hook, with the error of a boot there."""
    error = migrate(running("0-7"), HOST, cpus_of("0-6"), SMALL)
    assert error == GuestError(
        GuestFault.TOO_FEW_CPUS, "not enough exclusive threads provided, could not fit 1 core(s)"
    )


def hotplug(sockets: int) -> GuestSize:
    """The VM with room for 32 sockets."""
    return GuestSize(sockets=sockets, max_sockets=32, memory_bytes=16 * GI, page_bytes=GI, passthrough=True)


def test_hotplug_migration_pins_the_old_count() -> None:
    """8 to 12: the larger cpuset spills into a second zone, but the 8 that run touch one, so it is accepted."""
    target = moved(running("0-7", hotplug(8)), "0-7,16-19", hotplug(12))
    assert target.pins == tuple(range(8))
    assert (target.vcpus, target.max_vcpus, target.memnodes) == (8, 32, (0,))
    assert libvirt_refusal(target) is None


def test_hotplug_migration_needs_room_for_the_new_count() -> None:
    """8 to 12 with 11 CPUs: the preparation fails although the 8 that run would fit."""
    error = migrate(running("0-7", hotplug(8)), HOST, cpus_of("0-10"), hotplug(12))
    assert isinstance(error, GuestError)
    assert error.fault is GuestFault.TOO_FEW_CPUS


def test_migration_after_hotplug_pins_all_that_run() -> None:
    """Once plugged, all 12 are pinned: the same target now needs a second cell and is refused."""
    target = moved(running("0-7", hotplug(8)), "0-7,16-19", hotplug(12), enabled=12)
    assert target.pins == (*range(8), *range(16, 20))
    assert libvirt_refusal(target) == MEMNODE_REFUSAL


def test_hotplugged_vcpus_belong_to_cell_zero() -> None:
    """libvirt puts every vCPU that no cell names into cell 0, whatever zone it is pinned to."""
    source = running("0-4,16-18", hotplug(8))
    first, second = with_unassigned_vcpus(source.cells, source.max_vcpus)
    assert first.cpus == (0, 1, 2, 3, 4, *range(8, 32))
    assert second == source.cells[1]
    assert moved(source, "0-4,16-18", hotplug(8)).cells == (first, second)


def test_parity_counts_the_new_vcpus() -> None:
    """7 to 8 with even parity: the emulator's second CPU is decided by the new count while 7 are pinned."""
    small = replace(hotplug(7), memory_bytes=14 * GI, isolate_emulator=True, even_parity=True)
    large = replace(small, sockets=8)
    source = running("0-7", small)
    assert source.emulator == (7,)
    target = moved(source, "16-25", large)
    assert (target.pins, target.emulator) == (tuple(range(16, 23)), (23, 24))


def test_without_passthrough_any_zones_do() -> None:
    """A dedicated VM without passthrough is bound to nothing and never refused."""
    guest = GuestSize(sockets=8, memory_bytes=16 * GI, page_bytes=GI)
    target = moved(running("0-7", guest), "0-3,16-19", guest)
    assert target.memnodes == target.nodeset == ()
    assert libvirt_refusal(target) is None
