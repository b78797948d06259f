"""What comes out of the kernel, compiled or plain."""

from dataclasses import dataclass

__all__ = ["Block", "Cell", "Entry", "Placement", "Scan", "ScanError"]


class ScanError(ValueError):
    """A body or name list that cannot be used. The text names the mistake and its byte offset."""


@dataclass(frozen=True, slots=True)
class Scan:
    """The two parts of a scheduler call, as raw JSON: the pod object and the array of node names."""

    pod: bytes
    names: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One node of a fit. Zones are by position in the row; `score` is what score_reply() gives the node."""

    name: str
    code: int
    #: zones that the pod's main container touches (see _key_py), and their number, at least 1
    mask: int
    cells: int
    #: exclusive CPUs per zone that the pod will hold
    cpus: tuple[int, ...]
    key: int
    score: int
    survives: bool
    #: of a boot with guest cells: how many other nodes of the fit fit and give the same vCPUs per cell
    alike: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """Memory pinned for one container: bytes of one resource on the zones of a mask (Memory Manager's block)."""

    container: int
    resource: str
    mask: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A guest cell: its zone position, its vCPUs and the bytes of huge pages it will touch there."""

    zone: int
    vcpus: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Placement:
    """What a pod that fits would get, as counts per zone."""

    mask: int
    cpus: tuple[int, ...]
    #: False where a CPU Manager option decides by CPU ids which zones give them
    exact: bool
    blocks: tuple[Block, ...]
    cells: tuple[Cell, ...]
    devices: tuple[tuple[str, tuple[int, ...]], ...]
