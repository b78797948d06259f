"""How old a node's report is: as old as its last change, whoever reads it when.

An event tells of a change that was just made. A list tells nothing of the kind: an object that it shows with the
resource version that is known was not changed, and one that was not known was changed when its exporter wrote it, by the
API server's clock (metadata.managedFields).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from math import inf

from extender.api.objects import ManagedFields, NodeResourceTopology
from extender.cache.nodes.nrt import Nrt, read_nrt

__all__ = ["SeenNrt", "changed_at", "seen_nrt", "written_at"]

#: What an exporter writes of the object.
_ZONES = "f:zones"


@dataclass(frozen=True, slots=True)
class SeenNrt:
    """A report as it was seen."""

    nrt: Nrt
    #: resource version of its object
    version: str
    #: when its exporter wrote it, in seconds since the epoch; None: the object does not say
    written: float | None
    #: a whole list brought it
    listed: bool = field(default=False, compare=False)


def seen_nrt(record: NodeResourceTopology) -> SeenNrt:
    """What is kept of a report."""
    meta = record.metadata
    return SeenNrt(read_nrt(record), meta.resource_version, written_at(meta.managed_fields or ()))


def changed_at(seen: SeenNrt, old: SeenNrt | None, old_at: float, now: float, epoch: float | None) -> float:
    """When a report changed last, on the caller's clock. `old`: as it was seen before, changed at `old_at`.

    `epoch`: seconds since the epoch at 0 of that clock. Without it a report that is listed for the first time and says
    when it was written counts as old: nothing shows that it is young.
    """
    if old is not None:
        same = seen.version == old.version and (bool(seen.version) or (seen.listed and seen.nrt == old.nrt))
        return old_at if same else now
    if not seen.listed or seen.written is None:
        return now
    return min(now, seen.written - epoch) if epoch is not None else -inf


def written_at(fields: Iterable[ManagedFields]) -> float | None:
    """When the zones were written, in seconds since the epoch; where no entry names fields, any entry's time counts."""
    known = list(fields)
    owners = [each for each in known if each.fields_v1 is not None and _ZONES in each.fields_v1]
    times = [moment for each in owners or known if (moment := _seconds(each.time)) is not None]
    return max(times, default=None)


def _seconds(text: str | None) -> float | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None
