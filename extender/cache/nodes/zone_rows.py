"""The kubelet twin's counts as the kernel's zones."""

from _fastfit.model import ZoneRow
from extender.cache.interning import EMPTY, intern_amounts
from extender.kubelet.counts import NodeCounts

__all__ = ["zone_rows"]


def zone_rows(counts: NodeCounts) -> tuple[ZoneRow, ...]:
    """Zones of a row, in ascending id. Physical pages are not the kubelet's matter and are left unknown."""
    return tuple(
        ZoneRow(
            id=zone.id,
            socket=zone.socket,
            cpu_total=zone.cpu_total,
            cpu_reserved=zone.cpu_reserved,
            cpu_free=zone.cpu_free,
            cores_free=zone.cores_free,
            memory_allocatable=intern_amounts({name: amount.total for name, amount in zone.memory.items()}),
            memory_free={name: amount.free for name, amount in zone.memory.items()} or EMPTY,
            blocks=zone.blocks,
            group=zone.group,
            device_total=intern_amounts({name: amount.total for name, amount in zone.devices.items()}),
            device_free={name: amount.free for name, amount in zone.devices.items()} or EMPTY,
        )
        for zone in counts.zones
    )
