"""Steps of the time of day, ours and others': promises, ages and pauses are counted on the monotonic clock alone."""

import ast
import asyncio
import os
import shutil
import signal
import struct
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import extender
from extender.cache.events import Source
from extender.watch.kinds import KINDS
from extender.watch.status import State
from tests.faults.cluster_objects import body, filled, vm
from tests.faults.scene import scene
from tests.faults.truth import differences_of_process
from tests.kit.extender import Extender
from tests.kit.fakeapi import ErrorEvent, FakeApi, Refuse, run
from tests.kit.watch import kubeconfig

#: The whole service, and a process of its own.
pytestmark = pytest.mark.slow

DAY_S = 86_400

#: Where the time of day may be read: it is shown to people there, or dates what is written down, and decides no answer; but
#: how old a report was when it was listed for the first time, nothing else tells.
SHOWN = {
    "cli/cluster.py": {"datetime.now"},  # when a snapshot was taken
    "observe/decisions.py": {"time.time"},  # when a decision was made
    "persist/last_layouts.py": {"datetime.now"},  # on which day a layout was written: the oldest leave a full ConfigMap
    "runtime/service.py": {"time.time"},  # against the API server's time of a report's last writing
}
WALL_CLOCKS = {
    *("time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime", "time.strftime"),
    *("datetime.now", "datetime.utcnow", "datetime.today", "datetime.fromtimestamp", "date.today"),
}


def test_no_module_that_decides_reads_the_time_of_day() -> None:
    """Every use of a wall clock in the product is one of those that are named."""
    root = Path(extender.__file__).parent
    found: dict[str, set[str]] = {}
    for path in root.rglob("*.py"):
        for part in ast.walk(ast.parse(path.read_text())):
            if isinstance(part, ast.ImportFrom) and part.module == "time":
                assert not {f"time.{name.name}" for name in part.names} & WALL_CLOCKS, path
            if isinstance(part, ast.Attribute) and ".".join(ast.unparse(part).split(".")[-2:]) in WALL_CLOCKS:
                found.setdefault(str(path.relative_to(root)), set()).add(".".join(ast.unparse(part).split(".")[-2:]))
    assert found == SHOWN


@pytest.mark.parametrize("step", [400 * DAY_S, -400 * DAY_S, 45, -45])
def test_a_step_of_our_clock_changes_nothing(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stepped to and fro every second: a promise lasts its 30 s, Retry-After its 17 s, three minutes of age are three."""
    real, began = time.time, time.monotonic()
    monkeypatch.setattr(time, "time", lambda: real() + step * (int((time.monotonic() - began) * 50) % 2))
    monkeypatch.setattr(time, "time_ns", lambda: int(time.time() * 1e9))

    async def main() -> None:
        async with scene() as (it, _):
            await asyncio.sleep(28)
            assert set(it.service.cluster.assumed) == {"uid-w1", "uid-w2"}
            await asyncio.sleep(4)
            it.api.put("pods", vm("a1", 0, "n1"))
            await asyncio.sleep(2)
            assert not it.service.cluster.assumed
            it.api.fault("watch", "pods", Refuse(429, retry_after=17))
            it.api.reset_connections()
            it.api.put("pods", vm("p1", 100, "n1"))
            await it.recovered(within=60)
            refused, again = [one.at for one in it.api.seen("watch", "pods")][-2:]
            assert 16.9 <= again - refused <= 31
            await it.api.stop()
            age = max(it.statuses()[source].age_seconds or 0.0 for source in (Source.NODES, Source.PODS))
            for seconds, ready in ((175 - age, True), (10, False)):
                await asyncio.sleep(seconds)
                assert (not it.service.not_ready()) is ready
            await it.api.start()
            await it.recovered()

    run(main())


def test_times_that_step_on_pods_lose_and_double_nothing() -> None:
    """Kubelets and API servers whose clocks have stepped: newer pods look older, moments lie in the future, or are none."""

    async def main() -> None:
        async with scene() as (it, witness):
            for second, name in ((0, "p1"), (3000, "p2"), (1, "p3")):
                it.api.put("pods", vm(name, second, "n1"))
            nonsense = vm("p4", 50, "n2")
            nonsense["status"]["startTime"] = "2199-02-30T99:99:99+25:00"
            nonsense["metadata"]["creationTimestamp"] = None
            it.api.put("pods", nonsense)
            await it.recovered()
            it.api.fault("watch", "pods", ErrorEvent(410))
            it.api.reset_connections()
            await it.recovered()
            assert (Source.PODS, State.STALE) in witness.states

    run(main())


def test_a_failed_attempt_is_seen_though_its_time_is_earlier() -> None:
    """A condition of PodScheduled that changed ends the promise, whichever way the clock of kube-scheduler went."""

    async def main() -> None:
        async with scene() as (it, _):
            before = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "full"}
            pod = vm("v1", 60, conditions=[{**before, "lastTransitionTime": "2026-01-01T10:00:00Z"}])
            it.api.put("pods", pod)
            stored = it.api.store.get("pods", "v1", "vms") or {}
            assert it.call(stored)[1]
            assert "uid-v1" in it.service.cluster.assumed
            it.api.put("pods", vm("v1", 60, conditions=[{**before, "lastTransitionTime": "2025-12-31T10:00:00Z"}]))
            await asyncio.sleep(2)
            assert "uid-v1" not in it.service.cluster.assumed
            await it.recovered()

    run(main())


@pytest.fixture(scope="module")
def stepper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The library that moves a process's time of day."""
    compiler = os.environ.get("CC", "cc").split()
    if shutil.which(compiler[0]) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{compiler[0]} is needed in CI")
        pytest.skip(f"no C compiler ({compiler[0]}): the clock of a process is not stepped")
    library = tmp_path_factory.mktemp("clock") / "step_clock.so"
    source = Path(__file__).with_name("step_clock.c")
    subprocess.run([*compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source], check=True)
    return library


@asynccontextmanager
async def served(
    library: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[FakeApi, Extender, Path]]:
    """`fastfit serve` on the test kit's API server, its time of day moved by what stands in a file."""
    step = folder / "step"
    step.write_bytes(struct.pack("l", 0))
    async with filled(FakeApi()) as api:
        with monkeypatch.context() as patched:
            patched.setenv("LD_PRELOAD", str(library))
            patched.setenv("FASTFIT_CLOCK_STEP", str(step))
            it = Extender(Path(kubeconfig(folder, api.url)), folder, {"charges": {"promiseSeconds": 30}})
        try:
            await asyncio.to_thread(it.wait_ready)
            yield api, it, step
        finally:
            it._process.stop(signal.SIGKILL)


@pytest.mark.asyncio
async def test_steps_under_a_running_process(stepper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose clock jumps a year ahead, then back by two: promise, watches, readiness and answers stay."""
    async with served(stepper, tmp_path, monkeypatch) as (api, it, step):

        def ask(verb: str, text: bytes) -> bytes:
            with urllib.request.urlopen(f"{it.url}/{verb}", text, timeout=20) as reply:
                return bytes(reply.read())

        def look() -> tuple[float, str, int]:
            page = it.get("/readyz")
            year = 1970 + it.decisions()[0]["time"] / (365.25 * DAY_S)
            return it.metric("fastfit_charged_pods"), page, int(year)

        await asyncio.to_thread(ask, "filter", body(api.store.get("pods", "w1", "vms") or {}, ["n1", "n2"]))
        tracked_pods, ready, year = await asyncio.to_thread(look)
        assert tracked_pods == 7
        watches = len(api.seen("watch"))
        for years in (1, -1, 0):
            step.write_bytes(struct.pack("l", years * 366 * DAY_S))
            await asyncio.sleep(1.1)
            await asyncio.to_thread(ask, "prioritize", body(vm("other", 200), ["n1"]))
            assert await asyncio.to_thread(look) == (tracked_pods + 1, ready, year + years)
        assert len(api.seen("watch")) == watches, "no watch was opened anew"
        assert not api.seen("list")
        api.put("pods", vm("w1", 6, "n1"))
        lists = {source: api.store.fresh(kind.resource.plural, kind.field_selector) for source, kind in KINDS.items()}
        api.put("pods", vm("other", 200, "n2"))
        lists[Source.PODS] = api.store.fresh("pods", KINDS[Source.PODS].field_selector)
        await asyncio.sleep(0.5)
        assert await asyncio.to_thread(differences_of_process, ask, 8, lists) == []
        assert '"watch failed"' not in it.log()
