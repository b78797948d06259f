"""What a VMI's status shows of its last migration: which vCPUs shared a zone at the target.

`targetCPUSet` and `targetNodeTopology` (kubevirt.io/api/core/v1/types.go, VirtualMachineInstanceMigrationState, v1.9.0)
describe the node where the VM runs only if that migration completed and its target is the VM's node. The topology is
protobuf as JSON, in which an id of zero is omitted.
"""

import msgspec

from extender.api.objects import Vmi
from extender.kubevirt.guest.boot import place
from extender.kubevirt.guest.domain import GuestError
from extender.kubevirt.guest.host_topology import HostCell, HostCpu, HostTopology
from extender.kubevirt.launcher_pod import Guest

__all__ = ["first_vcpus_after_migration"]


class _Cpu(msgspec.Struct, frozen=True):
    id: int = 0
    siblings: tuple[int, ...] = ()


class _Cell(msgspec.Struct, frozen=True):
    id: int = 0
    cpus: tuple[_Cpu, ...] = ()


class _Topology(msgspec.Struct, frozen=True):
    numa_cells: tuple[_Cell, ...] = ()


_decode = msgspec.json.Decoder(_Topology).decode


def first_vcpus_after_migration(vmi: Vmi, guest: Guest, sockets: int) -> tuple[int, ...]:
    """The first vCPU of each zone of the VM's node that has one, ascending; empty: not stated, or not for this node.

    The guest has at least as many cells as its vCPUs had zones at that migration, since libvirt would have refused
    fewer. It may have more cells. `sockets`: those that run now; if the migration plugged sockets, these are included.
    """
    state = vmi.status.migration_state
    if state is None or not state.completed or state.failed or not state.target_cpu_set:
        return ()
    if not state.target_node or state.target_node != vmi.status.node_name:
        return ()
    try:
        cells = _decode(state.target_node_topology).numa_cells
    except (msgspec.DecodeError, UnicodeEncodeError):
        return ()
    topology = HostTopology(
        tuple(HostCell(cell.id, tuple(HostCpu(cpu.id, cpu.siblings) for cpu in cell.cpus)) for cell in cells),
        {cpu.id: cell.id for cell in cells for cpu in cell.cpus},
    )
    cpus = sorted({cpu for cpu in state.target_cpu_set if cpu in topology.zone_of})
    placed = place(topology, cpus, guest.size, sockets=sockets or guest.size.sockets, io_threads=None)
    if isinstance(placed, GuestError) or placed.numa is None:
        return ()
    return tuple(sorted(cell.cpus[0] for cell in placed.numa.cells))
