"""Every fault between us and the API server, on every kind at once, while pods are on their way to their nodes.

Of each: afterwards the judge finds nothing (truth.py), meanwhile the witness hears no lie (witness.py), and calls are
answered throughout. `tests/unit/watch` has the same faults one layer down, with the requests that each one costs.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from extender.cache.events import Source
from extender.watch.kinds import KINDS
from extender.watch.status import State
from tests.faults.cluster_objects import change_everything, vm
from tests.faults.scene import Scene, scene
from tests.faults.witness import Witness
from tests.kit.fakeapi import (
    Close,
    CutMidLine,
    Disorder,
    Duplicate,
    ErrorEvent,
    Fault,
    Garbage,
    NoAnswer,
    Pass,
    Refuse,
    Silent,
    run,
)

#: Each fault is played against the whole service: a second a test.
pytestmark = pytest.mark.slow

#: Longer than the silence that a watch is allowed, than a promise lasts, and than an ended pod is credited.
LATER_S = 130.0

Blow = Callable[[Scene], Awaitable[None]]


def on_reconnect(*faults: Fault, verb: str = "watch") -> Blow:
    """Reset all connections and change everything; the next requests of every kind get these faults."""

    async def blow(it: Scene) -> None:
        for kind in KINDS.values():
            it.api.fault(verb, kind.resource.plural, *faults)
        it.api.reset_connections()
        change_everything(it.api, it.placed)

    return blow


async def relist_after_compaction(it: Scene) -> None:
    """410 at connect: the history from which we would go on is gone, deletions with it."""
    await it.api.stop()
    change_everything(it.api, it.placed)
    for kind in KINDS.values():
        it.api.compact(kind.resource.plural)
    await it.api.start()


async def relist_in_pages(it: Scene) -> None:
    """The server has lost its list on the watch, and the history expires between two pages."""
    it.api.watch_list = False
    await on_reconnect(Pass(), Refuse(410), verb="list")(it)
    for kind in KINDS.values():
        it.api.fault("watch", kind.resource.plural, ErrorEvent(410))


async def oversize_lines(it: Scene) -> None:
    """An object of each kind is longer than a line may be."""
    await on_reconnect()(it)
    for kind in KINDS.values():
        obj = it.api.store.fresh(kind.resource.plural)[0]
        obj["metadata"]["annotations"] = {**(obj["metadata"].get("annotations") or {}), "example.com/a": "x" * 20_000}
        it.api.put(kind.resource.plural, obj)


async def short_watches(it: Scene) -> None:
    """A sick server that ends each watch after one event, again and again."""
    await on_reconnect(*[Close(after=1)] * 4)(it)


async def server_away(it: Scene) -> None:
    """No API server for two minutes."""
    await it.api.stop()
    change_everything(it.api, it.placed)
    await asyncio.sleep(120)
    await it.api.start()


async def token_rotation(it: Scene) -> None:
    """The old token is refused from now on; the new one is in the file a little later."""
    it.api.token = "second"
    await on_reconnect()(it)
    await it.until(lambda: all("401" in status.last_error for status in it.watcher.status()))
    (it.folder / "token").write_text("second")


BLOWS: dict[str, tuple[Blow, str]] = {
    "relist after 410 at connect": (relist_after_compaction, "resync gone"),
    "relist after 410 in the stream": (on_reconnect(ErrorEvent(410)), "resync gone"),
    "410 in the stream after an event": (on_reconnect(ErrorEvent(410, after=1)), "resync gone"),
    "relist in pages, 410 between them": (relist_in_pages, "failed Gone"),
    "relist cut in the middle": (on_reconnect(ErrorEvent(410), CutMidLine(after=1)), "failed Unreachable"),
    "restored backup": (on_reconnect(Refuse(504, cause="ResourceVersionTooLarge")), "resync gone"),
    "silence": (on_reconnect(Silent()), "failed Silence"),
    "silence after an event": (on_reconnect(Silent(after=1)), "failed Silence"),
    "no answer": (on_reconnect(NoAnswer()), "failed Silence"),
    "cut in the middle of a line": (on_reconnect(CutMidLine(after=1)), "failed Unreachable"),
    "ended in the middle of a line": (on_reconnect(CutMidLine(politely=True)), "failed Unreachable"),
    "oversize lines": (oversize_lines, "resync line_too_long"),
    "duplicate events": (on_reconnect(Duplicate()), "event DELETED"),
    "reordered events": (on_reconnect(Disorder()), "event DELETED"),
    "garbage": (on_reconnect(Garbage(after=1)), "failed Unreadable"),
    "429": (on_reconnect(Refuse(429, retry_after=17), Refuse(429)), "failed ApiFailure"),
    "503": (on_reconnect(Refuse(503, retry_after=5), Refuse(502, body=b"<html>")), "failed ApiFailure"),
    "500 in the stream": (on_reconnect(ErrorEvent(500, after=1)), "failed ApiFailure"),
    "short watches": (short_watches, "failed Unreachable"),
    "server away": (server_away, "failed Unreachable"),
    "token rotation": (token_rotation, "failed Unauthorized"),
}


@pytest.mark.parametrize("name", BLOWS)
def test_after_the_fault_all_is_as_a_fresh_list_shows(name: str) -> None:
    """Picture, ledgers, rows and answers; no pod lost or charged twice; stale was said; calls were answered."""
    blow, trace = BLOWS[name]

    async def main() -> Witness:
        async with scene(token="first" if "token" in name else "") as (it, witness):
            before = it.hooks.counts[trace]
            await blow(it)
            for second in range(4):
                assert it.call(vm(f"meanwhile-{second}", 200 + second))[0] == "ok"
                await asyncio.sleep(2)
            await it.recovered()
            assert it.hooks.counts[trace] >= before + len(KINDS), it.hooks.counts
            await asyncio.sleep(LATER_S)
            it.api.put("pods", vm("afterwards", 300, "n3"))
            await it.recovered()
            assert not it.service.cluster.assumed, "nobody has bound what was promised, and its time is over"
        return witness

    witness = run(main())
    assert {(source, State.STALE) for source in Source} <= witness.states


def test_before_the_first_list_is_whole_nobody_is_told_ready() -> None:
    """Lists that break off leave nothing behind: not ready, VMs are not judged, then a picture as from one list."""

    async def main() -> Witness:
        async with scene(synced=False) as (it, witness):
            for kind in KINDS.values():
                it.api.fault("watch", kind.resource.plural, CutMidLine(after=1), Close(after=1), Silent(after=1))
            await asyncio.sleep(5)
            assert it.call(vm("early", 200)) == ("not_ready", "")
            assert not it.service.cluster.pods
            await it.recovered(400)
            assert it.call(vm("early", 200))[0] == "ok"
        return witness

    witness = run(main())
    assert {"nodes", "pods", "noderesourcetopologies"} <= witness.reasons
    assert (Source.PODS, State.EMPTY) in witness.states


def test_a_picture_older_than_its_limit_is_not_ready_and_says_so() -> None:
    """Four minutes without the API server: stale at once, unready after three minutes, with both kinds named."""

    async def main() -> None:
        async with scene() as (it, witness):
            await it.api.stop()
            change_everything(it.api, it.placed)
            await asyncio.sleep(170)
            assert it.service.not_ready() == []
            assert all(status.state is State.STALE for status in it.watcher.status())
            await asyncio.sleep(70)
            assert [text.partition(":")[0] for text in it.service.not_ready()] == ["nodes", "pods"]
            assert it.call(vm("late", 200)) == ("not_ready", "")
            await it.api.start()
            await it.recovered()
            assert min(witness.wrong_for[source] for source in Source) >= 230

    run(main())


@pytest.mark.parametrize("retry_after", ["Wed, 21 Oct 2099 07:28:00 GMT", "yesterday", "²"])
def test_a_date_in_retry_after_is_no_number_of_seconds(retry_after: str) -> None:
    """It would need the time of day, which may step: our own pause is kept instead."""

    async def main() -> None:
        async with scene() as (it, _):
            await on_reconnect(Refuse(429, retry_after=retry_after))(it)
            await it.recovered(within=10)

    run(main())
