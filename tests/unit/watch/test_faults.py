"""What goes wrong between us and the API server, one fault per test.

Each test shows three things: afterwards the picture equals a fresh list (and stays so), nothing was lost or applied
twice, and what the status said meanwhile was true.
"""

import asyncio

import pytest
import structlog

from extender.cache.events import Source
from extender.watch.status import State
from tests.kit.fakeapi import (
    Close,
    CutMidLine,
    Disorder,
    Duplicate,
    ErrorEvent,
    FakeApi,
    Fault,
    Garbage,
    NoAnswer,
    Refuse,
    Silent,
    run,
)
from tests.kit.watch import Stage, pod, states_in, watching


def filled(api: FakeApi, count: int = 5) -> FakeApi:
    """The server with some pods in it."""
    for number in range(count):
        api.put("pods", pod(f"p{number}"))
    return api


def break_watch(stage: Stage, *faults: Fault) -> None:
    """Reset the connections; the next watches of pods get these faults."""
    stage.api.fault("watch", "pods", *faults)
    stage.api.reset_connections()


def applied_once(stage: Stage) -> bool:
    """Whether no version of an object reached the sink twice."""
    versions = stage.ledger.versions[Source.PODS]
    return len(versions) == len(set(versions))


def change_everything(api: FakeApi) -> None:
    """A pod ends, one changes, one is new."""
    api.delete("pods", "p0", "vms")
    api.put("pods", pod("p1", labels={"kubevirt.io/changed": "yes"}))
    api.put("pods", pod("new"))


def test_connection_reset_goes_on_at_the_same_version() -> None:
    """A reset connection is resumed: no new list, and what happened meanwhile arrives once."""

    async def main() -> None:
        async with watching(filled(FakeApi())) as stage:
            await stage.settled()
            stage.api.reset_connections()
            await stage.until(lambda: stage.status().state is State.STALE)
            assert "watch pods" in stage.status().last_error
            change_everything(stage.api)
            await stage.settled()
            assert stage.status().resyncs == 0
            assert stage.status().last_error == ""
            assert applied_once(stage)
            last = stage.api.seen("watch", "pods")[-1]
            assert "sendInitialEvents" not in last.query
            assert last.query["resourceVersion"] == "105"
            await stage.still_true()

    run(main())


def test_gone_at_connect_takes_a_new_list_and_serves_the_old_one_meanwhile() -> None:
    """410 when resuming: the old picture stays, marked stale, until the new list is complete."""

    async def main() -> None:
        async with watching(filled(FakeApi())) as stage:
            await stage.settled()
            before = dict(stage.ledger.stores[Source.PODS])
            await stage.api.stop()
            change_everything(stage.api)
            stage.api.compact("pods")
            await stage.api.start()
            await stage.until(lambda: stage.hooks.counts["resync gone"] == 1)
            assert stage.status().state is State.STALE
            assert "410" in stage.status().last_error
            assert stage.ledger.stores[Source.PODS] == before
            await stage.settled()
            assert stage.status().resyncs == 1
            await stage.still_true()

    run(main())


def test_gone_in_the_stream_takes_a_new_list() -> None:
    """An ERROR event with 410 ends the watch; a deletion that was never sent is seen in the new list."""

    async def main() -> None:
        async with watching(filled(FakeApi())) as stage:
            await stage.settled()
            break_watch(stage, ErrorEvent(410))
            await stage.until(lambda: stage.status().state is State.STALE)
            change_everything(stage.api)
            await stage.settled()
            assert stage.status().resyncs == 1
            assert stage.hooks.counts["resync gone"] == 1
            await stage.still_true()

    run(main())


def test_version_that_the_server_has_not_reached_counts_as_gone() -> None:
    """After a restored backup our version is in the server's future (504, ResourceVersionTooLarge): a new list."""

    async def main() -> None:
        async with watching(filled(FakeApi())) as stage:
            await stage.settled()
            break_watch(stage, Refuse(504, cause="ResourceVersionTooLarge"))
            await stage.until(lambda: stage.status().resyncs == 1)
            await stage.settled()
            await stage.still_true()

    run(main())


def test_other_error_events_are_retried_without_a_new_list() -> None:
    """An ERROR event that is not 410 (here 500) says nothing against our version."""

    async def main() -> None:
        async with watching(filled(FakeApi())) as stage:
            await stage.settled()
            break_watch(stage, ErrorEvent(500))
            await stage.until(lambda: "500" in stage.status().last_error)
            change_everything(stage.api)
            await stage.settled()
            assert stage.status().resyncs == 0
            assert applied_once(stage)
            await stage.still_true()

    run(main())


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_is_honoured(code: int) -> None:
    """A server that asks for 17 s gets them, for each of its answers."""

    async def main() -> None:
        async with watching(filled(FakeApi())) as stage:
            await stage.settled()
            break_watch(stage, Refuse(code, retry_after=17), Refuse(code, retry_after=17))
            await stage.until(lambda: str(code) in stage.status().last_error)
            assert stage.status().state is State.STALE
            change_everything(stage.api)
            await stage.settled()
            times = [request.at for request in stage.api.seen("watch", "pods")][-3:]
            assert [later - earlier >= 16.99 for earlier, later in zip(times, times[1:], strict=False)] == [True, True]
            assert applied_once(stage)
            await stage.still_true()

    run(main())


@pytest.mark.parametrize("fault", [Silent(), NoAnswer()])
def test_silence_ends_after_the_inactivity_timeout(fault: Fault) -> None:
    """A connection on which nothing comes, half open or never answered, is given up after 120 s; age tells so."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with watching(filled(FakeApi()), stale_after_s=100) as stage:
            await stage.settled()
            break_watch(stage, fault)
            await stage.until(lambda: stage.api.seen("watch", "pods")[-1].query.get("resourceVersion") == "105")
            began = loop.time()
            change_everything(stage.api)
            await asyncio.sleep(110)
            age = stage.status().age_seconds
            assert age is not None
            assert age >= 110
            assert [text.split(":")[0] for text in stage.watcher.not_ready()] == ["pods"]
            await stage.until(lambda: stage.hooks.counts["failed Silence"] == 1)
            assert 118 <= loop.time() - began <= 122
            await stage.settled()
            assert stage.watcher.ready
            assert stage.status().resyncs == 0
            assert applied_once(stage)
            await stage.still_true()

    run(main())


def test_bookmarks_alone_keep_a_quiet_watch_alive() -> None:
    """With one bookmark a minute and nothing else, the source stays live and young, and its version moves on."""

    async def main() -> None:
        async with watching(filled(FakeApi())) as stage:
            await stage.settled()
            ages = []
            for _ in range(60):
                await asyncio.sleep(17)
                ages.append(stage.status().age_seconds)
                assert stage.status().state is State.LIVE
            assert max(age for age in ages if age is not None) <= 61
            assert not [key for key in stage.hooks.counts if key.startswith("failed")]
            assert stage.hooks.counts["event BOOKMARK"] >= 30
            # The version is that of the last bookmark: forgetting what was before it costs nothing.
            stage.api.put("nodes", {"metadata": {"name": "n"}})
            await asyncio.sleep(61)
            stage.api.compact("pods")
            await asyncio.sleep(61)
            stage.api.reset_connections()
            await stage.still_true()
            assert stage.status().resyncs == 0

    run(main())


@pytest.mark.parametrize("politely", [False, True])
def test_line_cut_in_the_middle_is_not_used(politely: bool) -> None:
    """Half a line, then a reset or an orderly end: the half is dropped and the event comes again, once."""

    async def main() -> None:
        async with watching(filled(FakeApi())) as stage:
            await stage.settled()
            break_watch(stage, CutMidLine(after=1, politely=politely))
            change_everything(stage.api)
            await stage.until(lambda: stage.hooks.counts["failed Unreachable"] >= 3)
            assert ("in the middle of a line" in stage.status().last_error) is politely
            await stage.settled()
            assert stage.status().resyncs == 0
            assert applied_once(stage)
            assert stage.status().skipped == 0
            await stage.still_true()

    run(main())


def test_list_cut_in_the_middle_is_not_used() -> None:
    """A first list that breaks off leaves no picture: not ready, and the next attempt starts from nothing."""

    async def main() -> None:
        api = filled(FakeApi())
        api.fault("watch", "pods", CutMidLine(after=3), Close(after=2))
        async with watching(api) as stage:
            await stage.until(lambda: stage.hooks.counts["failed Unreachable"] == 2)
            assert Source.PODS not in stage.ledger.stores
            assert stage.status().state is State.EMPTY
            assert [text.split(":")[0] for text in stage.watcher.not_ready()] == ["pods"]
            await stage.settled()
            assert stage.ledger.calls["put"] == 0
            assert stage.watcher.ready
            await stage.still_true()

    run(main())


def test_line_over_the_limit_is_read_from_a_page() -> None:
    """An object larger than a line may be comes in with a list in pages; the list on the watch is not tried again."""

    async def main() -> None:
        async with watching(filled(FakeApi()), line_bytes=4000) as stage:
            await stage.settled()
            change_everything(stage.api)
            stage.api.put("pods", pod("large", annotations={"a": "x" * 5000}))
            await stage.until(lambda: stage.status().state is State.STALE)
            assert "4000" in stage.status().last_error
            await stage.settled()
            assert stage.hooks.counts["resync line_too_long"] == 1
            assert len(stage.api.seen("list", "pods")) == 1
            await stage.still_true()

    run(main())


def test_duplicate_events_change_nothing() -> None:
    """Every event twice: each object is there once, and a second deletion is not passed on."""

    async def main() -> None:
        async with watching(filled(FakeApi())) as stage:
            await stage.settled()
            break_watch(stage, Duplicate())
            change_everything(stage.api)
            stage.api.delete("pods", "p2", "vms")
            await stage.settled()
            assert stage.ledger.calls["delete"] == 2
            assert stage.status().objects == 4
            await stage.still_true()

    run(main())


def test_reordered_events_bring_nothing_back() -> None:
    """Events of different objects in another order, and a last form after its own deletion: no ghost remains."""

    async def main() -> None:
        async with watching(filled(FakeApi())) as stage:
            await stage.settled()
            break_watch(stage, Disorder())
            change_everything(stage.api)
            stage.api.put("pods", pod("p2", labels={"kubevirt.io/last": "form"}))
            stage.api.delete("pods", "p2", "vms")
            stage.api.put("pods", pod("short-lived"))
            stage.api.delete("pods", "short-lived", "vms")
            await stage.settled()
            await stage.still_true()

    run(main())


def test_clean_close_at_once_is_slowed_down() -> None:
    """A sick server that ends every watch at once gets a request every 30 s in the end, not a thousand a second."""

    async def main() -> None:
        async with watching(filled(FakeApi())) as stage:
            await stage.settled()
            count = len(stage.api.seen("watch", "pods"))
            break_watch(stage, *[Close()] * 20)
            await asyncio.sleep(300)
            assert 8 <= len(stage.api.seen("watch", "pods")) - count <= 25
            assert stage.status().state is State.STALE
            change_everything(stage.api)
            await stage.settled(within=700)
            assert stage.status().resyncs == 0
            assert applied_once(stage)
            await stage.still_true()

    run(main())


def test_orderly_end_of_a_long_watch_is_no_failure() -> None:
    """The server ends a watch after 5 to 10 minutes: it is opened again at once, and the source never leaves LIVE."""

    async def main() -> None:
        async with watching(filled(FakeApi())) as stage:
            await stage.settled()
            for number in range(40):
                await asyncio.sleep(60)
                stage.api.put("pods", pod(f"later{number}"))
            await stage.settled()
            watches = stage.api.seen("watch", "pods")
            assert 4 <= len(watches) <= 9
            assert all(300 <= int(request.query["timeoutSeconds"]) <= 600 for request in watches)
            assert applied_once(stage)

    with structlog.testing.capture_logs() as logs:
        run(main())
    assert states_in(logs, Source.PODS) == [State.SYNCING, State.LIVE]


def test_garbage_on_the_wire_is_not_an_event() -> None:
    """A proxy's page instead of an event: the connection is given up and resumed."""

    async def main() -> None:
        async with watching(filled(FakeApi())) as stage:
            await stage.settled()
            break_watch(stage, Garbage(after=1), Refuse(502, body=b"<html>Bad Gateway</html>"))
            change_everything(stage.api)
            await stage.until(lambda: "502" in stage.status().last_error)
            assert stage.hooks.counts["failed Unreadable"] == 1
            await stage.settled()
            assert applied_once(stage)
            await stage.still_true()

    run(main())


def test_api_server_down_for_minutes() -> None:
    """While the server is away the picture is served; past the limit we are not ready; then all is as before."""

    async def main() -> None:
        async with watching(filled(FakeApi())) as stage:
            await stage.settled()
            await stage.api.stop()
            change_everything(stage.api)
            await asyncio.sleep(60)
            assert stage.status().state is State.STALE
            assert stage.watcher.ready, "a rolling restart must not make every replica unready"
            await asyncio.sleep(130)
            reasons = stage.watcher.not_ready()
            assert [text.split(":")[0] for text in reasons] == ["nodes", "pods"]
            assert "limit 180 s" in reasons[0]
            assert reasons[0].endswith("(last error: Unreachable)")
            await stage.api.start()
            await stage.settled()
            assert stage.status().resyncs == 0
            assert applied_once(stage)
            await stage.until(lambda: stage.watcher.ready)
            await stage.still_true()

    run(main())


def test_unreachable_from_the_start_then_served() -> None:
    """Started before the API server: not ready with the reason, then synced without help."""

    async def main() -> None:
        api = filled(FakeApi())
        async with watching(api) as stage:
            await api.stop()
            await stage.until(lambda: "pods: not synced yet (last error:" in " ".join(stage.watcher.not_ready()))
            assert stage.status().state is State.EMPTY
            assert stage.status().age_seconds is None
            await asyncio.sleep(100)
            await api.start()
            await stage.settled()
            await stage.until(lambda: stage.watcher.ready)
            await stage.still_true()

    run(main())


def test_fault_in_the_sink_is_survived() -> None:
    """An exception of our own code while applying an event: said, and made good by a new list."""

    async def main() -> None:
        async with watching(filled(FakeApi())) as stage:
            await stage.settled()
            stage.ledger.break_next_put = True
            change_everything(stage.api)
            await stage.until(lambda: stage.hooks.counts["resync fault"] == 1)
            assert stage.status().state is State.STALE
            await stage.settled()
            await stage.still_true()

    run(main())
