"""What the tests of this folder share: a sink that keeps everything, objects, and a watcher at a fake API server."""

import asyncio
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from structlog.typing import EventDict

from extender.cache.events import Record, Source
from extender.kubeapi.credentials import Kubeconfig
from extender.kubeapi.transport import KubeTransport
from extender.watch.kinds import KINDS, Need
from extender.watch.reflector import Tuning
from extender.watch.status import SourceStatus, State
from extender.watch.trimming import trimmed
from extender.watch.watcher import Watcher
from tests.kit.fakeapi import FakeApi

ONLY_PODS = dict.fromkeys((Source.NRTS, Source.VMIS, Source.MIGRATIONS, Source.KUBEVIRTS), Need.OFF)


def pod(name: str, phase: str = "Running", **meta: Any) -> dict[str, Any]:
    """A pod that holds two CPUs."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "vms", "labels": {"kubevirt.io": "virt-launcher"}, **meta},
        "spec": {"nodeName": "n1", "containers": [{"name": "compute", "resources": {"limits": {"cpu": "2"}}}]},
        "status": {"phase": phase},
    }


def node(name: str) -> dict[str, Any]:
    """A node with 8 CPUs."""
    return {"metadata": {"name": name}, "status": {"allocatable": {"cpu": "8"}}}


class Ledger:
    """A Sink that keeps the records, and complains when it is told something twice or about what it does not have."""

    def __init__(self) -> None:
        self.stores: dict[Source, dict[str, Record]] = {}
        self.absences: list[Source] = []
        #: the next put raises, as a fault in the state would
        self.break_next_put = False
        self.calls: Counter[str] = Counter()
        self.on_replace: Callable[[], object] = lambda: None
        self.versions: dict[Source, list[str]] = defaultdict(list)

    def put(self, source: Source, record: Record) -> None:
        if self.break_next_put:
            self.break_next_put = False
            raise ZeroDivisionError
        self.calls["put"] += 1
        self.versions[source].append(record.metadata.resource_version)
        self.stores[source][record.metadata.uid] = record

    def delete(self, source: Source, record: Record) -> None:
        self.calls["delete"] += 1
        self.versions[source].append(record.metadata.resource_version)
        del self.stores[source][record.metadata.uid]

    def replace(self, source: Source, records: Iterable[Record]) -> None:
        self.calls["replace"] += 1
        self.on_replace()
        everything = list(records)
        self.stores[source] = {record.metadata.uid: record for record in everything}
        assert len(self.stores[source]) == len(everything)

    def begin_relist(self, source: Source) -> "Staged":
        return Staged(self, source)

    def absent(self, source: Source) -> None:
        self.absences.append(source)
        self.stores.pop(source, None)


class Staged:
    """A list on its way into a Ledger; the swap is the last of a few steps."""

    def __init__(self, ledger: Ledger, source: Source) -> None:
        self.ledger = ledger
        self.source = source
        self.records: dict[str, Record] = {}

    def put(self, record: Record) -> None:
        self.records[record.metadata.uid] = record

    def delete(self, record: Record) -> None:
        del self.records[record.metadata.uid]

    def swap(self) -> Iterator[None]:
        for _ in self.records:
            yield
        self.ledger.replace(self.source, self.records.values())
        yield

    def discard(self) -> Iterator[None]:
        while self.records:
            self.records.popitem()
            yield


class Hooks:
    """A WatchObserver that counts."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def event(self, source: Source, change: str, seconds: float) -> None:
        assert seconds >= 0
        self.counts[f"event {change}"] += 1

    def resync(self, source: Source, cause: str) -> None:
        self.counts[f"resync {cause}"] += 1

    def skipped(self, source: Source) -> None:
        self.counts["skipped"] += 1

    def mended(self, source: Source) -> None:
        self.counts["mended"] += 1

    def failed(self, source: Source, cause: str) -> None:
        self.counts[f"failed {cause}"] += 1


class Stage:
    """A watcher at work on a fake API server."""

    def __init__(self, api: FakeApi, watcher: Watcher, ledger: Ledger, hooks: Hooks, folder: Path) -> None:
        self.api = api
        self.watcher = watcher
        self.ledger = ledger
        self.hooks = hooks
        self.folder = folder

    def status(self, source: Source = Source.PODS) -> SourceStatus:
        return next(status for status in self.watcher.status() if status.source is source)

    def equal(self, source: Source = Source.PODS) -> bool:
        """Whether the picture is what a fresh list of now shows, object by object."""
        kind = KINDS[source]
        fresh = self.api.store.fresh(kind.resource.plural, kind.field_selector)
        records = [trimmed(kind.decode(msgspec.Raw(json.dumps(obj).encode()))) for obj in fresh]
        expected = {record.metadata.uid: record for record in records if record is not None}
        return self.ledger.stores.get(source) == expected and self.status(source).objects == len(expected)

    async def until(self, true: Callable[[], bool], within: float = 120.0) -> None:
        """Wait, in virtual time."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not true():
            waited = loop.time() - began
            assert waited < within, f"not within {within} s: {self.watcher.status()}"
            await asyncio.sleep(0.1 if waited < 5 else 1.0)

    async def settled(self, source: Source = Source.PODS, within: float = 120.0) -> None:
        """Wait until the source is live and its picture true."""
        await self.until(lambda: self.status(source).state is State.LIVE and self.equal(source), within)

    async def still_true(self, seconds: float = 300.0) -> None:
        """Some time later, with a change in between, the picture is still true: nothing was left behind."""
        await asyncio.sleep(seconds)
        self.api.put("pods", pod("afterwards"))
        await self.settled()


def states_in(logs: list[EventDict], source: Source) -> list[State]:
    """Every state that the source has entered, as it was logged."""
    entered = [line for line in logs if (line["event"], line.get("source")) == ("source state", source)]
    return [State(line["state"]) for line in entered]


def kubeconfig(folder: Path, url: str, token: str = "") -> str:
    """A kubeconfig file (JSON is YAML) with the token in a file of its own."""
    (folder / "token").write_text(token)
    user = {"tokenFile": str(folder / "token")} if token else {}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return str(path)


@asynccontextmanager
async def watching(
    api: FakeApi,
    *,
    needs: dict[Source, Need] | None = None,
    tuning: Tuning | None = None,
    stale_after_s: float = 180.0,
    line_bytes: int = 1 << 20,
    page_bytes: int = 1 << 20,
) -> AsyncIterator[Stage]:
    """Start the server and a watcher on it; by default only nodes and pods are watched."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with api:
            credentials = Kubeconfig(kubeconfig(folder, api.url, api.token))
            transport = KubeTransport(credentials, line_bytes=line_bytes, page_bytes=page_bytes)
            ledger, hooks = Ledger(), Hooks()
            watcher = Watcher(
                transport,
                ledger,
                ONLY_PODS if needs is None else needs,
                stale_after_s=stale_after_s,
                tuning=tuning,
                clock=asyncio.get_running_loop().time,
                observer=hooks,
            )
            task = asyncio.create_task(watcher.run())
            try:
                yield Stage(api, watcher, ledger, hooks, folder)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await transport.close()
