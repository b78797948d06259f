"""The service as `fastfit serve` puts it together, on the fake API server and in virtual time, with a witness beside it."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from extender.cache.events import Source
from extender.config import Settings
from extender.kubeapi.credentials import Kubeconfig
from extender.kubeapi.transport import KubeTransport
from extender.runtime import evacuable_rounds
from extender.runtime.service import Service
from extender.watch.kinds import KINDS, Need
from extender.watch.reflector import Tuning
from extender.watch.status import SourceStatus, State
from extender.watch.watcher import Watcher
from tests.faults.cluster_objects import Object, body, filled
from tests.faults.truth import Views, differences, fresh, views
from tests.faults.witness import Witness
from tests.kit.fakeapi import FakeApi
from tests.kit.watch import Hooks, kubeconfig

__all__ = ["Scene", "scene"]

#: In virtual time every wake-up costs a real millisecond, so targets are counted in one slice a second.
_EVERY_S = 1.0
#: An object may be this long on a watch; the cluster's own are shorter.
_LINE_BYTES = 16_000
#: Every list has several pages.
_TUNING = Tuning(page=1)


class Scene:
    """A running service and its API server."""

    def __init__(self, api: FakeApi, service: Service, watcher: Watcher, hooks: Hooks, folder: Path) -> None:
        self.api = api
        self.service = service
        self.watcher = watcher
        self.hooks = hooks
        self.folder = folder
        self.placed: dict[str, str] = {}
        self._listed: tuple[int, Views] = (-1, {})

    def lists(self) -> dict[Source, list[Object]]:
        """What a list of each kind shows now."""
        return {
            source: self.api.store.fresh(kind.resource.plural, kind.field_selector) for source, kind in KINDS.items()
        }

    def statuses(self) -> dict[Source, SourceStatus]:
        """What each source says."""
        return {status.source: status for status in self.watcher.status()}

    def call(self, pod: Object) -> tuple[str, str]:
        """filter and then prioritize, as kube-scheduler does: the outcome, and the node that it then takes ("": none)."""
        now = asyncio.get_running_loop().time()
        names = [obj["metadata"]["name"] for obj in self.api.store.fresh("nodes")]
        asked = self.service.verbs.filter(self.service.verbs.read(body(pod, names)), now)
        kept = json.loads(asked.body)["NodeNames"]
        if not kept:
            return asked.outcome, ""
        scores = json.loads(self.service.verbs.prioritize(self.service.verbs.read(body(pod, kept)), now).body)
        return asked.outcome, next((each["Host"] for each in scores if each["Score"] == 10), kept[0])

    def place_waiting(self) -> None:
        """Ask about w1 and w2; both get a promise."""
        for name in ("w1", "w2"):
            outcome, self.placed[name] = self.call(self.api.store.get("pods", name, "vms") or {})
            assert outcome == "ok"
        assert set(self.placed) <= {pod.rpartition("-")[2] for pod in self.service.cluster.assumed}

    def struck(self) -> bool:
        """Whether every fault that was ordered has been served."""
        return not any(self.api._faults.values())

    def live(self) -> bool:
        """Whether every source says so."""
        return all(status.state is State.LIVE for status in self.watcher.status())

    def listed(self) -> Views:
        """What a list of each kind shows now, as a picture holds it."""
        version = self.api.store.version
        if self._listed[0] != version:
            self._listed = version, views(fresh(self.lists(), self.service.cluster))
        return self._listed[1]

    def same(self) -> bool:
        """Whether every kind is as a list of now shows it."""
        return self.listed() == views(self.service.cluster)

    async def until(self, true: Callable[[], bool], within: float = 200.0) -> None:
        """Wait, in virtual time."""
        end = asyncio.get_running_loop().time() + within
        while not true():
            assert asyncio.get_running_loop().time() < end, f"not within {within} s: {self.watcher.status()}"
            await asyncio.sleep(0.25)

    async def recovered(self, within: float = 200.0) -> None:
        """Wait until all is as before the fault; then the judge speaks."""
        await self.until(lambda: self.struck() and self.live() and self.same() and not self.service.not_ready(), within)
        self.judge()

    def judge(self) -> None:
        """Everything that must hold after any fault."""
        found = differences(self.service.cluster, self.lists())
        assert found == [], "\n".join(found)


@asynccontextmanager
async def scene(
    *, watch_list: bool = True, token: str = "", synced: bool = True
) -> AsyncIterator[tuple[Scene, Witness]]:
    """A service at work on `filled`, with two promises made; with `synced` false it has only been started."""
    old, evacuable_rounds.EvacuableRounds.PAUSE_S = evacuable_rounds.EvacuableRounds.PAUSE_S, _EVERY_S  # type: ignore[misc]
    clock = asyncio.get_running_loop().time
    with tempfile.TemporaryDirectory() as name:
        async with filled(FakeApi(token=token, watch_list=watch_list)) as api:
            transport = KubeTransport(Kubeconfig(kubeconfig(Path(name), api.url, token)), line_bytes=_LINE_BYTES)
            service, hooks = Service(Settings(), clock=clock), Hooks()
            optional = dict.fromkeys((Source.NRTS, Source.VMIS, Source.MIGRATIONS, Source.KUBEVIRTS), Need.OPTIONAL)
            watcher = Watcher(transport, service.sink, optional, tuning=_TUNING, clock=clock, observer=hooks)
            service.watched(watcher.not_ready, watcher.status)
            running = Scene(api, service, watcher, hooks, Path(name))
            witness = Witness(running.listed, running.statuses, service, clock)
            tasks = [asyncio.create_task(each) for each in (watcher.run(), *service.background(), witness.run())]
            try:
                if synced:
                    await running.recovered()
                    running.place_waiting()
                yield running, witness
                assert witness.lies == [], "\n".join(witness.lies)
                assert not any(task.done() for task in tasks)
            finally:
                evacuable_rounds.EvacuableRounds.PAUSE_S = old  # type: ignore[misc]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await transport.close()
