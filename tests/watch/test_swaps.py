"""A complete list becomes the picture in steps; meanwhile the loop runs, and the source says what is true."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest

from extender.state.cluster import Cluster
from extender.state.events import Source, Staging
from extender.watch.pace import Pace
from extender.watch.reflector import Reflector
from extender.watch.sources import KINDS, Need
from extender.watch.status import State
from tests.fakeapi import FakeApi
from tests.fakeapi.faults import ErrorEvent
from tests.fakeapi.stream import bookmark, event
from tests.fakeapi.virtual_time import run
from tests.state.builders import KUBELET_A, machine
from tests.state.builders import node as real_node
from tests.watch.stage import Ledger, Staged, pod, watching
from tests.watch.test_lists import OneBuffer, Ticking, filled

END = bookmark(9, {"k8s.io/initial-events-end": "true"})


class Breaking(Ledger):
    """The swap of the next list breaks after its first step."""

    broken = False

    def stage(self, source: Source) -> Staged:
        staged = super().stage(source)
        if self.broken:
            staged.swap = self._break  # type: ignore[method-assign]
        return staged

    def _break(self) -> Iterator[None]:
        self.broken = False
        yield
        raise ZeroDivisionError


@pytest.mark.parametrize("lists", [1, 2])
def test_while_a_list_is_swapped_in_the_loop_runs_and_we_say_so(lists: int) -> None:
    """At the first list we stay unready to its last step; the picture before a later list stays served, marked stale."""

    async def main() -> None:
        api = filled(FakeApi(), 600)
        ledger, seen = Ledger(), []
        objects = [event("ADDED", obj) for obj in api.store.fresh("pods")]
        transport = OneBuffer([*objects, END, event("ERROR", {"code": 410})][: len(objects) + lists])
        reflector = Reflector(KINDS[Source.PODS], transport, ledger, need=Need.REQUIRED, pace=Pace(Ticking()))
        task = asyncio.create_task(reflector.run())
        while ledger.calls["replace"] < lists:
            await asyncio.sleep(0)
            status = reflector.status()
            seen.append((status.state, status.settled, bool(status.obstacle(180.0)), ledger.calls["replace"]))
        await asyncio.sleep(0)
        assert reflector.status().state is State.LIVE
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        swapping = [one for one in seen if one[3] == lists - 1]
        assert len(swapping) >= 300, "one turn for every three objects read, and again for every three swapped"
        if lists == 1:
            assert {one[:3] for one in swapping} <= {(State.EMPTY, False, True), (State.SYNCING, False, True)}
        else:
            assert (State.STALE, True, False) in {one[:3] for one in swapping}

    run(main())


def test_a_fault_in_the_middle_of_a_swap_is_made_good_by_a_new_list() -> None:
    """What is half swapped in is said to be stale, and replaced; nothing is lost and nothing doubled."""

    async def main() -> None:
        async with watching(filled(FakeApi(), 20)) as stage:
            await stage.settled()
            broken = Breaking()
            stage.ledger.stage = broken.stage  # type: ignore[method-assign]
            broken.pictures = stage.ledger.pictures
            broken.calls = stage.ledger.calls
            broken.broken = True
            stage.api.fault("watch", "pods", ErrorEvent(410))
            stage.api.reset_connections()
            await stage.until(lambda: stage.hooks.counts["resync fault"] == 1)
            assert stage.status().state is State.STALE
            await stage.settled()
            await stage.still_true()

    run(main())


def test_the_cluster_itself_is_what_a_fresh_list_shows() -> None:
    """The real picture behind the watch: after a new list that differs in everything, each pod is held once."""

    class Watched(Cluster):
        stages = 0

        def stage(self, source: Source) -> Staging:
            self.stages += source is Source.PODS
            return super().stage(source)

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
                cluster.work(1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            cluster.work()
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
from extender.watch.transport import KubeTransport
from extender.watch.client import ApiClient
loaded = [name for name in sys.modules if name.startswith("kubernetes_asyncio")]
assert len(loaded) < 30, len(loaded)
import kubernetes_asyncio
assert kubernetes_asyncio.client.V1Pod is not None
assert kubernetes_asyncio.client.ApiClient is ApiClient
from kubernetes_asyncio.client.models import V1Node
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
