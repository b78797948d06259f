"""The domain of a live migration's target: guest cells as at the boot, pins and memory binding of the target's host.

On the target, KubeVirt first converts the whole VM as if it booted there; an error ends the migration. Then a hook
rewrites the running domain: pins, emulator, IO threads, numatune and memnodes follow the target's cpuset, for the vCPUs
that are enabled now. Cells and their huge pages stay. libvirt parses the result before the migration starts. Sources
(v1.9.0): pkg/virt-launcher/premigration-hook-server/cpuhook/cpu_hook.go,
pkg/virt-launcher/virtwrap/cpudedicated/cpudedicated.go.
"""

from collections.abc import Iterable
from dataclasses import replace

from extender.kubelet.model import Machine
from extender.kubevirt.guest.boot import boot, place, topology_of
from extender.kubevirt.guest.domain import Cell, Domain, GuestError
from extender.kubevirt.guest.host_topology import HostTopology
from extender.kubevirt.guest.size import GuestSize

__all__ = ["MEMNODE_REFUSAL", "libvirt_refusal", "migrate", "with_unassigned_vcpus"]

#: what libvirt 9.0.0 says of a memnode whose guest cell does not exist
MEMNODE_REFUSAL = "XML error: Argument 'cellid' in memnode element must correspond to existing guest's NUMA cell"


def migrate(
    running: Domain,
    host: Machine | HostTopology,
    cpuset: Iterable[int],
    size: GuestSize,
    *,
    enabled_sockets: int | None = None,
) -> Domain | GuestError:
    """The domain that the target's hook hands to libvirt, or the error of the preparation on the target.

    `size` is the VM's spec now, in a hotplug migration the new size: all of it must fit, although only enabled vCPUs
    are pinned. `enabled_sockets`: sockets enabled in the running domain, if hotplug has changed them since `running`
    was built. `libvirt_refusal` says whether libvirt accepts the domain.
    """
    topology = topology_of(host)
    cpus = sorted(cpuset)
    prepared = boot(topology, cpus, size)
    if isinstance(prepared, GuestError):
        return prepared
    enabled = running.vcpus if enabled_sockets is None else enabled_sockets * size.socket_vcpus
    sockets = pinned_sockets(size, disabled_vcpus=running.max_vcpus - enabled)
    io_threads = None if size.io_threads is None else len(running.io_threads)
    placement = place(topology, cpus, size, sockets=sockets, io_threads=io_threads)
    if isinstance(placement, GuestError):
        return placement
    zones = placement.numa.zones if placement.numa else ()
    return replace(
        running,
        vcpus=sockets * size.socket_vcpus,
        max_vcpus=size.max_vcpus,
        pins=placement.pins,
        pin_zones=tuple(topology.zone_of[cpu] for cpu in placement.pins),
        emulator=placement.emulator,
        io_threads=placement.io_threads,
        cells=with_unassigned_vcpus(running.cells, running.max_vcpus),
        nodeset=zones,
        memnodes=zones,
    )


def pinned_sockets(size: GuestSize, *, disabled_vcpus: int) -> int:
    """Sockets that the hook pins: with hotplug the maximum, without those disabled in the running domain."""
    if size.max_sockets is None:
        return size.sockets
    return size.max_sockets - disabled_vcpus // size.socket_vcpus


def with_unassigned_vcpus(cells: tuple[Cell, ...], vcpus: int) -> tuple[Cell, ...]:
    """The cells of a running domain. libvirt puts vCPUs that no cell names (reserved for hotplug) into cell 0."""
    if not cells:
        return cells
    others = {cpu for cell in cells[1:] for cpu in cell.cpus}
    first = replace(cells[0], cpus=tuple(cpu for cpu in range(vcpus) if cpu not in others))
    return (first, *cells[1:])


def libvirt_refusal(domain: Domain) -> str | None:
    """libvirt's message for a domain that it does not accept; None: accepted.

    A guest of S cells is refused on every target where its vCPUs are pinned in more than S zones.
    """
    cells = {cell.id for cell in domain.cells}
    return None if cells.issuperset(range(len(domain.memnodes))) else MEMNODE_REFUSAL
