"""The record of a VM's guest cells as text: the value of the annotation fastfit.dev/guest-cells.

    {"v":1,"cells":[[8,17179869184],[8,17179869184]]}

One pair per cell, in order: vCPUs at boot, bytes. Everybody who may edit the VMI may write it. So it is only accepted
if it is short, has exactly this form, and a boot of this guest could have given these cells. A wrong value can at worst
misplace the VM of the user who wrote it.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from _fastfit.model import MAX_CELLS
from extender.kubevirt.guest.boot import cell_memory
from extender.kubevirt.guest.domain import GuestError
from extender.kubevirt.guest.size import GuestSize
from extender.kubevirt.migration.policy import BootCells

__all__ = ["cells_in", "cells_text"]

#: Characters; sixteen cells of the largest numbers take less than half.
_LONGEST: Final = 1024
_Count = Annotated[int, Meta(ge=1, le=2**53)]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: Literal[1]
    cells: Annotated[tuple[tuple[_Count, _Count], ...], Meta(min_length=1, max_length=MAX_CELLS)]


_decode = msgspec.json.Decoder(_Record).decode
_encode = msgspec.json.Encoder().encode


def cells_text(cells: BootCells) -> str:
    """The annotation's value; `cells` has at least one."""
    return _encode(_Record(1, cells)).decode()


def cells_in(text: str | None, size: GuestSize) -> tuple[BootCells, str]:
    """The cells that a value states for a guest of this size, and why it was not accepted; both empty without a
    value.
    """
    if text is None:
        return (), ""
    if len(text) > _LONGEST:
        return (), f"it has more than {_LONGEST} characters"
    try:
        cells = _decode(text).cells
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        return (), f"it cannot be read: {error}"
    problem = _implausible(cells, size)
    return ((), problem) if problem else (cells, "")


def _implausible(cells: BootCells, size: GuestSize) -> str:
    """Why no boot of this guest can have given these cells; empty: one can."""
    if not size.passthrough:
        return "the guest does not see the host's NUMA"
    vcpus = sum(count for count, _ in cells)
    # Hotplug may have added sockets since the boot, and never takes one away.
    grown = size.max_sockets is not None and vcpus < size.vcpus and vcpus % size.socket_vcpus == 0
    if vcpus != size.vcpus and not grown:
        return f"its cells have {vcpus} vCPUs, the VM has {size.vcpus}"
    memory = cell_memory(size, len(cells))
    if isinstance(memory, GuestError) or list(memory) != [amount for _, amount in cells]:
        return f"no boot splits {size.memory_bytes} bytes so over {len(cells)} cells"
    return ""
