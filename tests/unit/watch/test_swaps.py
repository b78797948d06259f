"""A complete list becomes the picture in steps; meanwhile the loop runs, and the source says what is true."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from extender.cache.cluster import Cluster
from extender.cache.events import Relist, Source
from extender.pace import Pace
from extender.watch.kinds import KINDS
from extender.watch.reflector import Reflector
from extender.watch.status import State
from tests.kit.fakeapi import FakeApi
from tests.kit.fakeapi.faults import ErrorEvent
from tests.kit.fakeapi.stream import bookmark, event
from tests.kit.fakeapi.virtual_time import run
from tests.kit.objects import KUBELET_A, machine
from tests.kit.objects import node as real_node
from tests.kit.watch import Ledger, Staged, pod, watching
from tests.unit.watch.test_lists import OneBuffer, Ticking, filled

END = bookmark(9, {"k8s.io/initial-events-end": "true"})


class Stepping(Ledger):
    """Tells of every step of a swap; the swap of a chosen list breaks after its first step."""

    def __init__(self, on_step: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.on_step = on_step
        self.lists = 0
        self.breaks_at = 0

    def begin_relist(self, source: Source) -> Staged:
        ledger = self

        class Told(Staged):
            def swap(self) -> Iterator[None]:
                ledger.lists += 1
                for _ in super().swap():
                    ledger.on_step()
                    yield
                    if ledger.lists == ledger.breaks_at:
                        raise ZeroDivisionError

        return Told(self, source)


@pytest.mark.parametrize("lists", [1, 2])
def test_while_a_list_is_swapped_in_the_loop_runs_and_we_say_so(lists: int) -> None:
    """At the first list we stay unready to its last step; the picture before a later list stays served, marked stale."""

    async def main() -> None:
        api = filled(FakeApi(), 600)
        seen: list[tuple[int, State, bool, bool]] = []

        def look() -> None:
            status = reflector.status()
            seen.append((ledger.lists, status.state, status.settled, bool(status.obstacle(180.0))))

        ledger = Stepping(look)
        lines = [*(event("ADDED", obj) for obj in api.store.fresh("pods")), END]
        if lists == 2:
            lines.append(event("ERROR", {"code": 410}))
        clock = asyncio.get_running_loop().time
        reflector = Reflector(KINDS[Source.PODS], OneBuffer(lines), ledger, pace=Pace(Ticking()), clock=clock)
        task = asyncio.create_task(reflector.run())
        while ledger.calls["replace"] < lists:
            await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        last = {one[1:] for one in seen if one[0] == lists}
        assert last == {(State.SYNCING, False, True) if lists == 1 else (State.STALE, True, False)}

    run(main())


def test_the_loop_gets_a_turn_between_the_steps_of_a_swap() -> None:
    """600 steps of 0.4 ms: others run after every third."""

    async def main() -> None:
        turns = 0
        told: list[int] = []

        async def others() -> None:
            nonlocal turns
            while not told or ledger.calls["replace"] == 0:
                turns += 1
                await asyncio.sleep(0)

        ledger = Stepping(lambda: told.append(turns))
        api = filled(FakeApi(), 600)
        lines = [*(event("ADDED", obj) for obj in api.store.fresh("pods")), END]
        reflector = Reflector(KINDS[Source.PODS], OneBuffer(lines), ledger, pace=Pace(Ticking()))
        tasks = [asyncio.create_task(reflector.run()), asyncio.create_task(others())]
        while ledger.calls["replace"] == 0:
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(told) >= 600
        assert len(set(told)) >= 200

    run(main())


def test_a_fault_in_the_middle_of_a_swap_is_made_good_by_a_new_list() -> None:
    """What is half swapped in is said to be stale, and replaced; nothing is lost and nothing doubled."""

    async def main() -> None:
        async with watching(filled(FakeApi(), 20)) as stage:
            await stage.settled()
            broken = Stepping()
            broken.stores, broken.calls, broken.breaks_at = stage.ledger.stores, stage.ledger.calls, 1
            stage.ledger.begin_relist = broken.begin_relist  # type: ignore[method-assign]
            stage.api.fault("watch", "pods", ErrorEvent(410))
            stage.api.reset_connections()
            await stage.until(lambda: stage.hooks.counts["resync fault"] == 1)
            assert stage.status().state is State.STALE
            await stage.settled()
            await stage.still_true()

    run(main())


def test_a_list_that_breaks_off_is_let_go_in_steps() -> None:
    """What it had gathered is freed a little at a time, and others run in between."""

    class Leaving(Ledger):
        def begin_relist(self, source: Source) -> Staged:
            class Told(Staged):
                def discard(self) -> Iterator[None]:
                    for _ in super().discard():
                        told.append(turns)
                        yield

            return Told(self, source)

    told: list[int] = []
    turns = 0

    async def main() -> None:
        nonlocal turns
        lines = [event("ADDED", obj) for obj in filled(FakeApi(), 600).store.fresh("pods")]
        transport = OneBuffer([*lines, event("ERROR", {"code": 500})])
        task = asyncio.create_task(Reflector(KINDS[Source.PODS], transport, Leaving(), pace=Pace(Ticking())).run())
        while len(told) < 600:
            turns += 1
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert len(set(told)) >= 200

    run(main())


def test_the_cluster_itself_is_what_a_fresh_list_shows() -> None:
    """The real picture behind the watch: after a new list that differs in everything, each pod is held once."""

    class Watched(Cluster):
        stages = 0

        def begin_relist(self, source: Source) -> Relist:
            self.stages += source is Source.PODS
            return super().begin_relist(source)

    async def main() -> None:
        api = FakeApi()
        cluster = Watched()
        cluster.put(Source.NODES, real_node("n1", KUBELET_A, machine()))
        cpus = {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}}
        for number in range(8):
            record = pod(f"p{number}", uid=f"u{number}")
            record["spec"]["containers"][0]["resources"] = cpus
            api.put("pods", record)
        for lines in ("0123456", "3456712"):
            chosen = [obj for obj in api.store.fresh("pods") if obj["metadata"]["name"][1] in lines]
            transport = OneBuffer([*[event("ADDED", obj) for obj in chosen], END])
            reflector = Reflector(KINDS[Source.PODS], transport, cluster, pace=Pace(Ticking()))
            task = asyncio.create_task(reflector.run())
            while reflector.status().state is not State.LIVE:
                await asyncio.sleep(0)
                cluster.make_rows(1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            cluster.make_rows()
            assert set(cluster.pods) == {f"u{name}" for name in lines}
            row = cluster.nodes["n1"].row
            assert row is not None
            assert sum(zone.cpu_free for zone in row.zones) == 30 - 2 * len(lines)
        assert cluster.stages == 2

    run(main())


def test_the_client_library_is_loaded_without_its_models() -> None:
    """850 modules and 60 MB stay away; whoever asks for them afterwards gets them."""
    code = """
import sys
from extender.kubeapi.transport import KubeTransport
from extender.kubeapi.client import ApiClient
loaded = [name for name in sys.modules if name.startswith("kubernetes_asyncio")]
assert len(loaded) < 30, len(loaded)
import kubernetes_asyncio
assert kubernetes_asyncio.client.V1Pod is not None
assert kubernetes_asyncio.client.ApiClient is ApiClient
from kubernetes_asyncio.client.models import V1Node
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
