"""How the first list is taken: on the watch, or in pages where that is refused."""

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog

from extender.api.objects import NodeResourceTopology, Pod
from extender.cache.events import Source
from extender.garbage_collector import collector_paused
from extender.kubeapi.resource import Resource
from extender.kubeapi.transport import KubeTransport, Query
from extender.pace import Pace
from extender.watch.kinds import KINDS
from extender.watch.observer import NoObserver
from extender.watch.reflector import Reflector, Tuning
from extender.watch.status import State
from extender.watch.store import KindStore
from tests.kit.fakeapi import CutMidLine, ErrorEvent, FakeApi, Fault, Pass, Refuse, Silent, run
from tests.kit.fakeapi.store import Store
from tests.kit.fakeapi.stream import bookmark, event
from tests.kit.watch import Hooks, Ledger, node, pod, states_in, watching


def filled(api: FakeApi, count: int) -> FakeApi:
    """The server with some pods in it."""
    for number in range(count):
        api.put("pods", pod(f"p{number:03}"))
    return api


def test_list_on_the_watch_is_one_request() -> None:
    """The list arrives on the watch, is handed over once, and the same stream goes on."""

    async def main() -> None:
        async with watching(filled(FakeApi(), 30)) as stage:
            await stage.settled()
            stage.api.put("pods", pod("more"))
            await stage.settled()
            (request,) = stage.api.seen(plural="pods")
            assert request.verb == "watch"
            assert request.query["sendInitialEvents"] == "true"
            assert request.query["resourceVersionMatch"] == "NotOlderThan"
            assert request.query["allowWatchBookmarks"] == "true"
            assert "resourceVersion" not in request.query
            assert stage.ledger.calls["put"] == 1

    with structlog.testing.capture_logs() as logs:
        run(main())
    assert states_in(logs, Source.PODS) == [State.SYNCING, State.LIVE]


def test_empty_list_is_a_picture() -> None:
    """A cluster without pods is synced, on the watch and in pages (where Go writes null)."""

    async def main(*, watch_list: bool) -> None:
        async with watching(FakeApi(watch_list=watch_list)) as stage:
            await stage.settled()
            assert stage.status().objects == 0
            await stage.still_true()

    run(main(watch_list=True))
    run(main(watch_list=False))


def test_refused_list_on_the_watch_is_remembered() -> None:
    """422 (feature off): pages of 250 after a small first one, without a resource version, now and at every later list."""

    async def main() -> None:
        async with watching(filled(FakeApi(watch_list=False), 600)) as stage:
            await stage.settled()
            lists = stage.api.seen("list", "pods")
            assert [request.query["limit"] for request in lists] == ["20", "250", "250", "250"]
            assert ["continue" in request.query for request in lists] == [False, True, True, True]
            assert not any("resourceVersion" in request.query for request in lists)
            stage.api.fault("watch", "pods", ErrorEvent(410))
            stage.api.reset_connections()
            await stage.until(lambda: stage.status().resyncs == 1)
            asked = [
                request.query for request in stage.api.seen("watch", "pods") if "sendInitialEvents" in request.query
            ]
            assert len(asked) == 1
            await stage.settled()
            await stage.still_true()

    run(main())


@pytest.mark.parametrize("ignores", [True, False])
def test_server_that_does_not_know_the_list_on_the_watch(ignores: bool) -> None:
    """A server that ignores sendInitialEvents never marks the end, or says nothing at all: pages after all."""

    async def main() -> None:
        api = filled(FakeApi(watch_list=not ignores), 5)
        api.ignores_watch_list = ignores
        if not ignores:
            api.fault("watch", "pods", Silent(after=2))
        async with watching(api) as stage:
            await stage.until(lambda: stage.status().state is State.SYNCING)
            assert not stage.watcher.ready
            await stage.settled(within=200)
            assert len(api.seen("list", "pods")) == 1
            await stage.still_true()

    run(main())


def test_gone_in_the_middle_of_pages_starts_from_page_one() -> None:
    """410 for a continue token: what was gathered is thrown away, so nothing deleted meanwhile survives."""

    async def main() -> None:
        api = filled(FakeApi(watch_list=False), 30)
        api.fault("list", "pods", Pass(), Pass(), Refuse(410))
        async with watching(api, tuning=Tuning(page=10)) as stage:
            await stage.until(lambda: stage.hooks.counts["failed Gone"] == 1)
            assert Source.PODS not in stage.ledger.stores
            assert stage.status().state is State.EMPTY
            api.delete("pods", "p000", "vms")
            await stage.settled()
            assert stage.ledger.calls["replace"] == 2, "nodes and pods, once each"
            await stage.still_true()

    run(main())


def test_pages_show_one_moment() -> None:
    """Changes while pages arrive are not in the list, and come with the watch that follows, once each."""

    async def main() -> None:
        api = filled(FakeApi(watch_list=False), 30)

        def change() -> None:
            api.delete("pods", "p025", "vms")
            api.put("pods", pod("p001", labels={"kubevirt.io/a": "b"}))

        api.fault("list", "pods", Pass(), Pass(change))
        async with watching(api, tuning=Tuning(page=10)) as stage:
            await stage.settled()
            assert len(api.seen("list", "pods")) == 3
            assert stage.ledger.calls["delete"] == 1
            assert stage.ledger.calls["put"] == 1
            await stage.still_true()

    run(main())


def test_changes_during_the_list_on_the_watch_count() -> None:
    """An object that ends, or changes, between the first line of the list and its mark is as it is afterwards."""
    store, ledger = Store(), Ledger()
    for number in range(3):
        store.put("pods", pod(f"p{number}"))
    kind = KindStore(KINDS[Source.PODS], ledger, NoObserver(), Pace())
    incoming = kind.incoming()
    lines = [event("ADDED", obj) for obj in store.fresh("pods")]
    lines.append(event("DELETED", store.fresh("pods")[1]))
    lines.append(event("MODIFIED", store.put("pods", pod("p2", labels={"kubevirt.io/a": "b"}))))
    assert [kind.list_line(line, incoming) for line in lines] == [""] * 5
    assert kind.list_line(bookmark(777, {"k8s.io/initial-events-end": "true"}), incoming) == "777"
    list(kind.swap(incoming, "777"))
    labels = {record.metadata.name: record.metadata.labels for record in ledger.stores[Source.PODS].values()}
    assert labels == {"p0": {"kubevirt.io": "virt-launcher"}, "p2": {"kubevirt.io/a": "b"}}


def test_page_over_the_limit_is_asked_for_in_smaller_pieces() -> None:
    """A page too large to hold makes the pages smaller until they can be held."""

    async def main() -> None:
        api = FakeApi(watch_list=False)
        for number in range(40):
            api.put("pods", pod(f"p{number}", annotations={"a": "x" * 3000}))
        async with watching(api, page_bytes=30_000) as stage:
            await stage.settled()
            limits = [request.query["limit"] for request in api.seen("list", "pods")]
            assert limits[:3] == ["20", "5", "5"]
            await stage.still_true()

    run(main())


def test_large_objects_come_in_small_pages() -> None:
    """A page is joined and split in one step, so no page but the first is asked for more bytes than a step may take."""

    async def main() -> None:
        api = FakeApi(watch_list=False)
        for number in range(100):
            api.put("pods", pod(f"p{number}", annotations={"a": "x" * 3000}))
        async with watching(api, tuning=Tuning(page_bytes=35_000)) as stage:
            await stage.settled()
            first, *others = [int(request.query["limit"]) for request in api.seen("list", "pods")]
            assert first == 20
            assert set(others) == {10}
            await stage.still_true()

    run(main())


@pytest.mark.parametrize("fault", [Refuse(500), Refuse(429, retry_after=5), Refuse(403), Refuse(401), Refuse(400)])
def test_refused_page_is_asked_for_again(fault: Fault) -> None:
    """Whatever a page is refused with, the list is taken in the end, and no half of it before."""

    async def main() -> None:
        api = filled(FakeApi(watch_list=False), 30)
        api.fault("list", "pods", Pass(), fault, fault)
        async with watching(api, tuning=Tuning(page=10)) as stage:
            await stage.until(lambda: len(api.seen("list", "pods")) >= 2)
            assert Source.PODS not in stage.ledger.stores
            await stage.settled()
            await stage.still_true()

    run(main())


def test_pods_that_have_succeeded_are_left_out_and_failed_ones_are_not() -> None:
    """The pod filter: Succeeded is not listed and arrives as a deletion; Failed arrives with its reason."""

    async def main() -> None:
        api = FakeApi()
        for name in ("runs", "succeeds", "fails"):
            api.put("pods", pod(name))
        api.put("pods", pod("long-done", phase="Succeeded"))
        async with watching(api) as stage:
            await stage.settled()
            assert stage.status().objects == 3
            api.put("pods", pod("succeeds", phase="Succeeded"))
            refused = pod("fails", phase="Failed")
            refused["status"]["reason"] = "TopologyAffinityError"
            api.put("pods", refused)
            await stage.settled()
            found = {
                pod.metadata.name: pod for pod in stage.ledger.stores[Source.PODS].values() if isinstance(pod, Pod)
            }
            assert set(found) == {"runs", "fails"}
            assert found["fails"].status.reason == "TopologyAffinityError"
            assert stage.ledger.calls["delete"] == 1
            await stage.still_true()
            # The object itself goes later; the watch that does not show it stays quiet.
            api.delete("pods", "succeeds", "vms")
            await asyncio.sleep(1)
            assert stage.ledger.calls["delete"] == 1
            assert stage.equal()

    run(main())


def test_object_that_comes_back_under_its_name_is_another_one() -> None:
    """Deleted and created anew within one second: the new UID is there, the old one is not."""

    async def main() -> None:
        api = filled(FakeApi(), 3)
        async with watching(api) as stage:
            await stage.settled()
            api.delete("pods", "p001", "vms")
            api.put("pods", pod("p001"))
            await stage.settled()
            assert stage.status().objects == 3
            await stage.still_true()

    run(main())


class Ticking:
    """A clock on which every look takes 0.4 ms."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.0004
        return self.now


class OneBuffer(KubeTransport):
    """A transport on which everything has already arrived."""

    def __init__(self, lines: list[bytes]) -> None:
        self._all = lines

    @asynccontextmanager
    async def watch_lines(self, resource: Resource, query: Query) -> AsyncGenerator[AsyncIterator[bytes]]:
        async def lines() -> AsyncIterator[bytes]:
            for line in self._all:
                yield line
            await asyncio.Event().wait()

        yield lines()


class Slow(OneBuffer):
    """A transport that accepts a watch after 60 s, sends the list at once and a bookmark every 70 s."""

    @asynccontextmanager
    async def watch_lines(self, resource: Resource, query: Query) -> AsyncGenerator[AsyncIterator[bytes]]:
        async def lines() -> AsyncIterator[bytes]:
            for line in self._all:
                yield line
                await asyncio.sleep(70)

        await asyncio.sleep(60)
        yield lines()


def test_silence_is_counted_from_the_last_line() -> None:
    """A watch that was slow to open still has its full 120 s of silence after each line."""

    async def main() -> None:
        lines = [bookmark(9, {"k8s.io/initial-events-end": "true"}), bookmark(10), bookmark(11), bookmark(12)]
        clock, hooks = asyncio.get_running_loop().time, Hooks()
        reflector = Reflector(KINDS[Source.PODS], Slow(lines), Ledger(), clock=clock, observer=hooks)
        task = asyncio.create_task(reflector.run())
        await asyncio.sleep(60 + 4 * 70 - 1)
        assert hooks.counts == {"event BOOKMARK": 3}
        assert (reflector.status().state, reflector.status().resyncs) == (State.LIVE, 0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(main())


def test_garbage_collector_is_paused_while_a_list_is_gathered() -> None:
    """Off while the list arrives, on again afterwards, whatever way it ends; nested and parallel use too."""

    async def main() -> None:
        api = filled(FakeApi(), 3)
        seen: list[bool] = []
        async with watching(api) as stage:
            await stage.settled()
            assert gc.isenabled()
            stage.ledger.on_replace = lambda: seen.append(gc.isenabled())
            api.fault("watch", "pods", ErrorEvent(410), CutMidLine(after=2))
            api.reset_connections()
            await stage.until(lambda: stage.status().resyncs == 1)
            await stage.settled()
            assert seen == [False]
            assert gc.isenabled()

    assert gc.isenabled()
    run(main())
    with collector_paused():
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_reading_a_long_burst_lets_others_run() -> None:
    """While a list of 3,000 pods is read, with objects that take 0.4 ms each, others get their turn every 3 objects."""

    async def main() -> None:
        api = filled(FakeApi(), 3000)
        lines = [event("ADDED", obj) for obj in api.store.fresh("pods")]
        lines.append(bookmark(9, {"k8s.io/initial-events-end": "true"}))
        ledger = Ledger()
        reflector = Reflector(KINDS[Source.PODS], OneBuffer(lines), ledger, pace=Pace(Ticking()))
        task = asyncio.create_task(reflector.run())
        turns = 0
        while ledger.calls["replace"] == 0:
            await asyncio.sleep(0)
            turns += 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert turns >= 1000

    run(main())


def test_every_kind_is_read() -> None:
    """All six kinds at their own paths arrive as their records."""

    async def main() -> None:
        api = FakeApi()
        api.put("nodes", node("n1"))
        api.put("pods", pod("p"))
        zone = {"name": "node-0", "type": "Node", "resources": [{"name": "cpu", "capacity": "8", "available": "6"}]}
        api.put("noderesourcetopologies", {"metadata": {"name": "n1"}, "zones": [zone], "topologyPolicies": []})
        api.put("virtualmachineinstances", {"metadata": {"name": "vm", "namespace": "vms"}, "spec": {"domain": {}}})
        api.put("virtualmachineinstancemigrations", {"metadata": {"name": "m", "namespace": "vms"}, "spec": {}})
        gates = {"developerConfiguration": {"featureGates": ["CPUManager"]}}
        api.put("kubevirts", {"metadata": {"name": "kv", "namespace": "kubevirt"}, "spec": {"configuration": gates}})
        async with watching(api, needs={}) as stage:
            for source in Source:
                await stage.settled(source)
                assert stage.status(source).objects == 1
            (nrt,) = stage.ledger.stores[Source.NRTS].values()
            assert isinstance(nrt, NodeResourceTopology)
            assert nrt.zones is not None
            assert [resource.available for resource in nrt.zones[0].resources or ()] == ["6"]

    run(main())
