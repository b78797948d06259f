"""How single watch lines change a picture, and how lines and pauses come about."""

import json

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from extender.cache.events import Source
from extender.kubeapi.backoff import Backoff
from extender.kubeapi.errors import Gone, LineTooLong, Unreadable
from extender.kubeapi.lines import LineSplitter
from extender.pace import Pace
from extender.watch.events import read_page
from extender.watch.kinds import KINDS
from extender.watch.store import KindStore
from tests.kit.fakeapi.replies import status
from tests.kit.fakeapi.store import Store
from tests.kit.fakeapi.stream import bookmark, event
from tests.kit.watch import Hooks, Ledger, pod


class Scene:
    """A picture of three pods."""

    def __init__(self) -> None:
        self.store, self.ledger, self.hooks = Store(), Ledger(), Hooks()
        self.kind = KindStore(KINDS[Source.PODS], self.ledger, self.hooks, Pace())
        incoming = self.kind.incoming()
        for number in range(3):
            self.kind.list_line(event("ADDED", self.store.put("pods", pod(f"p{number}"))), incoming)
        list(self.kind.swap(incoming, "103"))

    def names(self) -> set[str]:
        return {record.metadata.name for record in self.ledger.stores[Source.PODS].values()}


UNREADABLE = [
    {"spec": {"containers": "none"}},
    {"metadata": {"name": 7}},
    {"metadata": {"labels": {"a": {}}}},
    {"status": []},
    {"metadata": {"uid": ""}},
    {"metadata": None},
]


@pytest.mark.parametrize("wrong", UNREADABLE)
def test_object_that_cannot_be_read_is_skipped_and_said(wrong: dict[str, object]) -> None:
    """A malformed object costs itself alone: counted, logged by name, the stream goes on and moves on."""
    scene = Scene()
    good = scene.store.put("pods", pod("bad"))
    meta = wrong.get("metadata", {})
    bad = {**good, **wrong}
    if isinstance(meta, dict):
        bad["metadata"] = {**good["metadata"], **meta}
    with structlog.testing.capture_logs() as logs:
        scene.kind.apply(event("ADDED", bad))
    assert [entry["event"] for entry in logs] == ["object skipped"]
    assert scene.kind.skipped == scene.hooks.counts["skipped"] == 1
    assert scene.names() == {"p0", "p1", "p2"}
    scene.kind.apply(event("ADDED", scene.store.put("pods", pod("next"))))
    assert scene.names() == {"p0", "p1", "p2", "next"}
    assert scene.kind.version == "105"


def test_invalid_utf8_costs_one_object() -> None:
    """Bytes that are no UTF-8 inside an object are that object's fault alone."""
    scene = Scene()
    scene.kind.apply(event("ADDED", scene.store.put("pods", pod("bad-X-"))).replace(b"-X-", b"\xff\xfe"))
    assert scene.kind.skipped == 1
    assert scene.names() == {"p0", "p1", "p2"}


@pytest.mark.parametrize("line", [b"", b"x", b"[]", b"{}", b'{"type": "ADDED"}', b'{"type": 1, "object": {}}', b"\xff"])
def test_line_that_is_no_event_ends_the_connection(line: bytes) -> None:
    """What is not even an envelope says that something stands between us and the server."""
    scene = Scene()
    with pytest.raises(Unreadable):
        scene.kind.apply(line)
    assert scene.kind.version == "103"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"metadata": {}, "items": {}}', b"<html>"])
def test_body_that_is_no_page_is_unreadable(body: bytes) -> None:
    """The same for pages; without metadata there would be no version to go on from."""
    with pytest.raises(Unreadable):
        read_page(body)


def test_event_type_of_the_future_is_passed_over() -> None:
    """An unknown type is said and skipped, and does not move the version."""
    scene = Scene()
    scene.kind.apply(event("COMPACTED", {"metadata": {"resourceVersion": "999"}}))
    assert scene.kind.version == "103"
    assert scene.kind.skipped == 1


def test_bookmark_moves_the_version_and_nothing_else() -> None:
    """A bookmark is where to go on, even one whose object is bare."""
    scene = Scene()
    scene.kind.apply(bookmark(150))
    assert scene.kind.version == "150"
    scene.kind.apply(event("BOOKMARK", {}))
    assert scene.kind.version == "150"
    assert scene.ledger.calls.total() == 1


def test_error_event_is_an_exception_with_its_status() -> None:
    """ERROR carries a Status; 410 is Gone, one without a code counts as 500."""
    scene = Scene()
    with pytest.raises(Gone):
        scene.kind.apply(event("ERROR", status(410)))
    with pytest.raises(Exception, match="500"):
        scene.kind.apply(event("ERROR", {}))


def test_late_event_does_not_bring_a_deleted_object_back() -> None:
    """After a deletion any form of that UID is ignored; the same name with another UID is welcome."""
    scene = Scene()
    last = scene.store.put("pods", pod("p1", labels={"kubevirt.io/a": "b"}))
    scene.store.delete("pods", "p1", "vms")
    scene.kind.apply(event("DELETED", last))
    scene.kind.apply(event("MODIFIED", last))
    scene.kind.apply(event("DELETED", last))
    assert scene.names() == {"p0", "p2"}
    assert scene.ledger.calls["delete"] == 1
    scene.kind.apply(event("ADDED", scene.store.put("pods", pod("p1"))))
    assert scene.names() == {"p0", "p1", "p2"}
    assert scene.kind.objects == 3


def test_memory_of_deleted_objects_is_bounded() -> None:
    """However many objects end, what is remembered of them does not grow without bound."""
    scene = Scene()
    for number in range(3000):
        scene.kind.apply(event("ADDED", scene.store.put("pods", pod(f"job{number}"))))
        scene.kind.apply(event("DELETED", scene.store.get("pods", f"job{number}", "vms") or {}))
    assert len(scene.kind._ended) == 1024
    assert scene.kind.objects == 3


@given(
    st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b".")), max_size=20),
    st.lists(st.integers(0, 400), max_size=10),
)
def test_lines_do_not_depend_on_chunks(lines: list[bytes], cuts: list[int]) -> None:
    """However the stream is cut into chunks, the same lines come out, and the rest is known to be held."""
    stream = b"".join(line + b"\n" for line in lines) + b"rest"
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    splitter = LineSplitter(100)
    found = [line for a, b in zip(bounds, bounds[1:], strict=False) for line in splitter.feed(stream[a:b])]
    assert found == [line for line in lines if line]
    assert splitter.held == 4


@pytest.mark.parametrize("chunks", [[b"x" * 11], [b"x" * 6] * 2, [b"x" * 11 + b"\n"], [b"a\n" + b"x" * 11 + b"\nb\n"]])
def test_line_over_the_limit_is_an_error_before_it_is_held(chunks: list[bytes]) -> None:
    """Whole, in pieces, or among others: a line of 11 bytes is too long where 10 are allowed."""
    splitter = LineSplitter(10)
    with pytest.raises(LineTooLong):
        for chunk in chunks:
            splitter.feed(chunk)
    assert LineSplitter(10).feed(b"x" * 10 + b"\n") == [b"x" * 10]


def test_back_off_grows_to_its_cap_and_is_forgotten() -> None:
    """0.8 s doubled to 30 s, up to twice as long by chance but never over the cap; two quiet minutes reset it."""
    now = 0.0
    least, most = Backoff(lambda: now, lambda: 0.0), Backoff(lambda: now, lambda: 0.999999)
    delays = [round(least.next(), 1) for _ in range(8)]
    assert delays == [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
    assert [round(most.next(), 1) for _ in range(6)] == [1.6, 3.2, 6.4, 12.8, 25.6, 30.0]
    now = 30.0 + 119.0
    assert least.next() == 30.0
    now = 30.0 + 119.0 + 30.0 + 120.0
    assert least.next() == 0.8


def test_page_of_a_real_shape() -> None:
    """A page's metadata: the token of the next page, absent or empty on the last."""
    for token, expected in (({"continue": "abc"}, "abc"), ({"continue": ""}, ""), ({}, None)):
        body = {
            "kind": "PodList",
            "metadata": {"resourceVersion": "5", **token, "remainingItemCount": 3},
            "items": [{}],
        }
        page = read_page(json.dumps(body).encode())
        assert (page.metadata.resource_version, page.metadata.continues) == ("5", expected)
        assert [bytes(raw) for raw in page.items or ()] == [b"{}"]
