"""Applies watch lines and lists of one kind to the sink (the cache). No network, no waiting, no state machine.

The sink holds the objects. This module holds what is needed to keep them right: the resource version at which the watch
continues, the UIDs of the objects that the sink holds, and the UIDs of objects that have ended.
"""

from collections.abc import Iterator

import msgspec
import structlog

from extender.bounded import BoundedSet
from extender.cache.collections import HashSet
from extender.cache.events import Record, Relist, Sink
from extender.kubeapi.errors import NotStreamed, failure
from extender.pace import Pace
from extender.watch.events import Event, read_event, read_marker, read_status
from extender.watch.kinds import Kind
from extender.watch.observer import WatchObserver
from extender.watch.trimming import trimmed

__all__ = ["IncomingList", "KindStore"]

_log = structlog.stdlib.get_logger(__name__)

#: Deleted objects whose UIDs are kept, so that a late event cannot bring one back.
ENDED = 1024
#: Objects with a field that is not of its type, of which it is kept that they were logged.
TOLD = 1024


class IncomingList:
    """A list while it arrives. The sink keeps the old objects until `swap`."""

    def __init__(self, relist: Relist) -> None:
        #: UIDs of its objects; they are never used twice: an object that was deleted and created anew is another one
        self.known = HashSet()
        self._relist = relist

    def put(self, record: Record) -> None:
        """An object of the list, or its newer form."""
        self.known.add(record.metadata.uid)
        self._relist.put(record)

    def delete(self, record: Record) -> None:
        """An object that ended while the list arrived."""
        uid = record.metadata.uid
        if uid in self.known:
            self.known.discard(uid)
            self._relist.delete(record)

    def swap(self) -> Iterator[object]:
        """Replace the sink's objects by the list, step by step."""
        return self._relist.swap()

    def discard(self) -> Iterator[None]:
        """Free what was not swapped in, step by step."""
        return self._relist.discard()


class KindStore:
    """What the sink holds of one kind."""

    def __init__(self, kind: Kind, sink: Sink, observer: WatchObserver, pace: Pace) -> None:
        self._kind = kind
        self._source = kind.source
        self._sink = sink
        self._observer = observer
        self._pace = pace
        self._log = _log.bind(source=str(kind.source))
        #: resource version at which the watch continues; "" when a list is needed
        self.version = ""
        #: objects that could not be read, since the start
        self.skipped = 0
        #: UIDs of the objects that the sink holds; None before the first list, and while the kind is not served
        self._known: HashSet | None = None
        #: UIDs of objects whose faults were logged
        self._told: BoundedSet[str] = BoundedSet(TOLD)
        #: UIDs of deleted objects
        self._ended: BoundedSet[str] = BoundedSet(ENDED)

    @property
    def listed(self) -> bool:
        """Whether the sink has a list of the kind, however old."""
        return self._known is not None

    @property
    def objects(self) -> int:
        """Objects that the sink holds; what trimming.py leaves out is not counted."""
        return len(self._known) if self._known is not None else 0

    def apply(self, line: bytes) -> None:
        """Apply one watch line. Duplicates, and events of objects that have ended, change nothing.

        Raises Unreadable, and for an ERROR event the ApiFailure that it states.
        """
        began = self._pace.clock()
        event = read_event(line)
        match event.type:
            case "ADDED" | "MODIFIED" | "DELETED":
                record = self._read(event.object)
                if record is None:
                    version = read_marker(event.object).metadata.resource_version
                else:
                    version = record.metadata.resource_version
                    self._change(event.type, record)
            case "BOOKMARK":
                version = read_marker(event.object).metadata.resource_version
            case _:
                self._other(event)
                return
        self.version = version or self.version
        self._observer.event(self._source, event.type, self._pace.clock() - began)

    def list_line(self, line: bytes, incoming: IncomingList) -> str:
        """Add one line of a streamed list; returns the list's resource version with its last line, else "".

        Raises NotStreamed where the server ends no list on its watches, Unreadable, and the ApiFailure of an ERROR
        event.
        """
        event = read_event(line)
        match event.type:
            case "ADDED" | "MODIFIED":
                self.list_object(event.object, incoming)
            case "DELETED":
                if (record := self._read(event.object)) is not None:
                    incoming.delete(record)
            case "BOOKMARK":
                marker = read_marker(event.object)
                if not marker.ends_initial_events:
                    raise NotStreamed(f"watch {self._kind.resource}: the server ignores sendInitialEvents")
                return marker.metadata.resource_version
            case _:
                self._other(event)
        return ""

    def incoming(self) -> IncomingList:
        """Begin a list; to be called before the list is requested."""
        return IncomingList(self._sink.begin_relist(self._source))

    def swap(self, incoming: IncomingList, version: str) -> Iterator[object]:
        """Hand the complete list to the sink, in steps between which the event loop may run. To be run to its end."""
        self._ended.clear()
        yield from incoming.swap()
        self._known = incoming.known
        self.version = version

    def drop(self) -> None:
        """The kind is not served: the sink drops its objects."""
        self._known = None
        self._ended.clear()
        self.version = ""
        self._sink.absent(self._source)

    def list_object(self, raw: msgspec.Raw, incoming: IncomingList) -> None:
        """Add one object of a list."""
        record = self._read(raw)
        kept = None if record is None else trimmed(record)
        if kept is not None:
            incoming.put(kept)

    def _read(self, raw: msgspec.Raw) -> Record | None:
        """The record; None for an object that cannot be read, which is logged and counted."""
        try:
            try:
                record = self._kind.decode(raw)
            except msgspec.ValidationError:
                record, faults = self._kind.decode_leniently(raw)
                self._mended(record, faults)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            meta = read_marker(raw).metadata
            self._skip(str(error), meta.namespace, meta.name)
            return None
        if not record.metadata.uid:
            self._skip("it has no UID", record.metadata.namespace, record.metadata.name)
            return None
        return record

    def _mended(self, record: Record, faults: tuple[str, ...]) -> None:
        """Counts an object of which a field is not of its type, and logs it once; reports come every minute."""
        self._observer.mended(self._source)
        meta = record.metadata
        if meta.uid not in self._told:
            self._told.add(meta.uid)
            self._log.warning("fields mended", namespace=meta.namespace, name=meta.name, what="; ".join(faults))

    def _change(self, change: str, record: Record) -> None:
        if self._known is None:
            raise AssertionError("a watch follows a list")
        uid = record.metadata.uid
        if change == "DELETED":
            self._ended.add(uid)
            if uid in self._known:
                self._known.discard(uid)
                self._sink.delete(self._source, record)
        elif uid not in self._ended:
            kept = trimmed(record)
            if kept is not None:
                self._known.add(uid)
                self._sink.put(self._source, kept)
            elif uid in self._known:
                self._known.discard(uid)
                self._sink.delete(self._source, record)

    def _other(self, event: Event) -> None:
        """ERROR ends the watch; an unknown type is logged and skipped."""
        if event.type == "ERROR":
            raise failure("watch", self._kind.resource, read_status(event.object))
        self._skip(f"unknown event type {event.type[:32]!r}", "", "")

    def _skip(self, why: str, namespace: str, name: str) -> None:
        self.skipped += 1
        self._observer.skipped(self._source)
        self._log.error("object skipped", namespace=namespace, name=name, why=why)
