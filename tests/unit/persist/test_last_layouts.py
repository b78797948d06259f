"""Last layouts on their way to and from our ConfigMaps: read once, few patches, and quiet where it cannot be."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
import structlog

from extender.cache.vms.last_layout import LastLayouts, Trust
from extender.cache.vms.layout_entry import SHARDS
from extender.kubeapi.credentials import Kubeconfig
from extender.kubeapi.transport import KubeTransport
from extender.persist import last_layouts as keeper
from extender.persist.last_layouts import LayoutKeeper
from tests.kit.fakeapi import FakeApi, Pass, Refuse, run
from tests.kit.watch import kubeconfig
from tests.unit.cache.test_last_layout import uid

MAPS = "configmaps"
TODAY = "2026-11-25"


@dataclass
class Replica:
    """A keeper and what its process knows."""

    last_layout: LastLayouts
    counts: Counter[str]


@dataclass
class Stage:
    api: FakeApi
    folder: Path

    def shard(self, number: int = 0) -> dict[str, str]:
        """What a ConfigMap holds."""
        found = self.api.store.get(MAPS, SHARDS[number], "fastfit")
        assert found is not None
        assert found["metadata"]["labels"] == {"app.kubernetes.io/component": "layouts"}
        data: dict[str, str] = found.get("data") or {}
        return data

    def patches(self) -> list[str]:
        """Names of the ConfigMaps that were patched, in order."""
        return [one.name for one in self.api.seen("patch", MAPS) if one.code == 200]

    @asynccontextmanager
    async def replica(self, last_layout: LastLayouts | None = None, today: str = TODAY) -> AsyncIterator[Replica]:
        """A keeper at work."""
        transport = KubeTransport(Kubeconfig(kubeconfig(self.folder, self.api.url)))
        made = Replica(last_layout or LastLayouts(), Counter())
        worker = LayoutKeeper(
            transport,
            made.last_layout,
            lambda outcome, number: made.counts.update({outcome: number} if number else {}),
            clock=asyncio.get_running_loop().time,
            today=lambda: date.fromisoformat(today),
        )
        task = asyncio.create_task(worker.run())
        try:
            yield made
        finally:
            task.cancel()
            assert [type(end) for end in await asyncio.gather(task, return_exceptions=True)] == [asyncio.CancelledError]
            await transport.close()


@asynccontextmanager
async def begin_relist(data: dict[str, str] | None = None, maps: int = 16) -> AsyncIterator[Stage]:
    """An API server with the ConfigMaps of deploy/; `data` is in the first one."""
    with tempfile.TemporaryDirectory() as folder:
        async with FakeApi() as api:
            for number, name in enumerate(SHARDS[:maps]):
                meta = {"name": name, "namespace": "fastfit", "labels": {"app.kubernetes.io/component": "layouts"}}
                api.put(MAPS, {"metadata": meta, **({"data": data} if data and not number else {})})
            yield Stage(api, Path(folder))


def test_all_are_read_at_the_start_and_then_rarely() -> None:
    """Sixteen gets at once, sixteen more in an hour, and no other right is used."""

    async def main() -> None:
        async with begin_relist({uid(1): f"{TODAY} 4+4"}) as here, here.replica() as one:
            await asyncio.sleep(5)
            assert one.last_layout.split(uid(1)) == (4, 4)
            assert sorted(request.name for request in here.api.requests) == list(SHARDS)
            await asyncio.sleep(3500)
            assert len(here.api.requests) == 16
            await asyncio.sleep(200)
            assert len(here.api.requests) == 32
            assert here.api.rights_used() == {("get", "", MAPS)}
            assert one.counts == {}

    run(main())


def test_what_one_process_saw_the_next_one_knows() -> None:
    """Two VMs begin to run, one in either of two ConfigMaps: two patches. The next process reads them at its start."""

    async def main() -> None:
        async with begin_relist() as here:
            async with here.replica() as first:
                await asyncio.sleep(5)
                first.last_layout.update(uid(1), (4, 4), Trust.KNOWN, starts=True)
                first.last_layout.update(uid(2, 15), (8,), Trust.KNOWN, starts=True)
                await asyncio.sleep(30)
                assert here.shard(0) == {uid(1): f"{TODAY} 4+4"}
                assert here.shard(15) == {uid(2, 15): f"{TODAY} 8"}
                await asyncio.sleep(600)
                assert here.patches() == [SHARDS[0], SHARDS[15]]
                assert first.counts == {"written": 2}
                assert here.api.rights_used() == {("get", "", MAPS), ("patch", "", MAPS)}
            async with here.replica() as second:
                await asyncio.sleep(5)
                assert second.last_layout.split(uid(1)) == (4, 4)
                assert second.last_layout.split(uid(2, 15)) == (8,)

    run(main())


def test_many_vms_are_one_patch() -> None:
    """A hundred that start within a round; nine hundred at once are four. Keys that were there stay."""

    async def main() -> None:
        async with begin_relist({uid(9999): f"{TODAY} 2"}) as here, here.replica() as one:
            await asyncio.sleep(3)
            for number in range(100):
                one.last_layout.update(uid(number), (8,), Trust.KNOWN, starts=True)
            await asyncio.sleep(30)
            assert here.patches() == [SHARDS[0]]
            for number in range(100, 1000):
                one.last_layout.update(uid(number), (8,), Trust.KNOWN, starts=True)
            await asyncio.sleep(30)
            assert here.patches() == [SHARDS[0]] * 5
            assert here.shard() == {uid(9999): f"{TODAY} 2", **{uid(number): f"{TODAY} 8" for number in range(1000)}}

    run(main())


def test_nothing_is_written_that_is_stated() -> None:
    """A VM starts again as it was: the ConfigMap is read and left alone, until its day is a month old."""

    async def main() -> None:
        async with begin_relist({uid(1): "2026-10-27 8"}) as here:
            last_layout = LastLayouts()
            last_layout.update(uid(1), (8,), Trust.KNOWN, starts=True)
            async with here.replica(last_layout):
                await asyncio.sleep(60)
                assert here.patches() == []
            last_layout.update(uid(1), (8,), Trust.KNOWN, starts=True)
            async with here.replica(last_layout, today="2026-11-27"):
                await asyncio.sleep(60)
                assert here.shard() == {uid(1): "2026-11-27 8"}

    run(main())


def test_replicas_write_once_and_learn_from_each_other() -> None:
    """Both see a VM: one patch. What only one saw, the other reads when it writes next, or within the hour."""

    async def main() -> None:
        async with begin_relist() as here, here.replica() as one, here.replica() as two:
            await asyncio.sleep(5)
            for each in (one, two):
                each.last_layout.update(uid(1), (4, 4), Trust.KNOWN, starts=True)
            one.last_layout.update(uid(2), (6, 2), Trust.KNOWN, starts=True)
            await asyncio.sleep(120)
            assert here.shard() == {uid(1): f"{TODAY} 4+4", uid(2): f"{TODAY} 6+2"}
            assert len(here.patches()) <= 2
            one.last_layout.update(uid(3), (3,), Trust.KNOWN, starts=True)
            await asyncio.sleep(3700)
            assert [each.last_layout.split(uid(3)) for each in (one, two)] == [(3,), (3,)]
            assert [two.last_layout.split(uid(number)) for number in (1, 2)] == [(4, 4), (6, 2)]

    run(main())


def test_replicas_that_disagree_come_to_rest() -> None:
    """One saw the boot, the other has it from the pods of now: the first is right, whoever comes first; nobody repeats."""

    async def main() -> None:
        async with begin_relist() as here, here.replica() as guesses:
            guesses.last_layout.update(uid(1), (8,), Trust.WORKED_OUT, starts=True)
            await asyncio.sleep(60)
            assert here.shard() == {uid(1): f"{TODAY} 8"}
            async with here.replica() as knows:
                knows.last_layout.update(uid(1), (4, 4), Trust.KNOWN, starts=True)
                await asyncio.sleep(60)
                assert here.shard() == {uid(1): f"{TODAY} 4+4"}
                guesses.last_layout.update(uid(1), (8,), Trust.WORKED_OUT, starts=True)
                await asyncio.sleep(7200)
                assert here.shard() == {uid(1): f"{TODAY} 4+4"}
                assert len(here.patches()) == 2

    run(main())


def test_two_that_write_at_once_lose_nothing() -> None:
    """Between our read and our patch another replica writes: a merge patch leaves its keys alone."""

    async def main() -> None:
        async with begin_relist() as here, here.replica() as one:
            await asyncio.sleep(5)
            here.api.fault("patch", MAPS, Pass(lambda: _put(here, {uid(2): f"{TODAY} 2"})))
            one.last_layout.update(uid(1), (8,), Trust.KNOWN, starts=True)
            await asyncio.sleep(30)
            assert here.shard() == {uid(1): f"{TODAY} 8", uid(2): f"{TODAY} 2"}

    run(main())


def _put(here: Stage, data: dict[str, str]) -> None:
    found = here.api.store.get(MAPS, SHARDS[0], "fastfit")
    here.api.put(MAPS, {**(found or {}), "data": data})


def test_strange_entries_are_ignored_counted_and_left() -> None:
    """Other people's keys and values, a VM in the wrong place: no layout, no fault; ours is written beside them."""
    strange = {"README": "hello", uid(1): "yesterday 8", uid(2, 7): f"{TODAY} 8", uid(3): f"{TODAY} {'1+' * 40000}1"}

    async def main() -> None:
        async with begin_relist({**strange, uid(4): f"{TODAY} 4+4"}) as here, here.replica() as one:
            await asyncio.sleep(5)
            assert one.counts == {"ignored": 4}
            assert [one.last_layout.split(key) for key in strange] == [()] * 4
            assert one.last_layout.split(uid(4)) == (4, 4)
            one.last_layout.update(uid(5), (8,), Trust.KNOWN, starts=True)
            await asyncio.sleep(30)
            assert here.shard() == {**strange, uid(4): f"{TODAY} 4+4", uid(5): f"{TODAY} 8"}

    run(main())


def test_a_strange_entry_of_a_vm_that_runs_is_put_right() -> None:
    """What somebody wrote for it cannot be read; what we saw replaces it."""

    async def main() -> None:
        async with begin_relist({uid(1): "hello"}) as here, here.replica() as one:
            one.last_layout.update(uid(1), (8,), Trust.KNOWN, starts=True)
            await asyncio.sleep(30)
            assert here.shard() == {uid(1): f"{TODAY} 8"}

    run(main())


@pytest.mark.parametrize("at_once", [1, 256])
def test_a_full_configmap_lets_the_forgotten_go(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """First what cannot be read, then VMs not seen since our start, then the oldest; an entry of the future is of today.

    One by one, in patches that follow each other, or all in one.
    """
    monkeypatch.setattr(keeper, "MOST", 5)
    monkeypatch.setattr(keeper, "_AT_ONCE", at_once)
    data = {
        "strange": "x",
        uid(1): "2020-01-01 8",
        uid(2): "2999-01-01 8",
        uid(3): f"{TODAY} 8",
        uid(4): "2026-11-01 8",
    }

    async def main() -> None:
        async with begin_relist(data) as here, here.replica() as one:
            await asyncio.sleep(5)
            one.last_layout.update(uid(1), (8,), Trust.KNOWN)
            await asyncio.sleep(30)
            assert here.shard().keys() == data.keys()
            for number in (5, 6, 7):
                one.last_layout.update(uid(number), (8,), Trust.KNOWN, starts=True)
            await asyncio.sleep(60)
            assert here.shard().keys() == {uid(number) for number in (1, 3, 5, 6, 7)}
            assert (one.counts["written"], one.counts["dropped"]) == (4, 3)

    run(main())


def test_no_entry_goes_that_is_being_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest of a full ConfigMap changes as another one comes: the next oldest makes room."""
    monkeypatch.setattr(keeper, "MOST", 2)

    async def main() -> None:
        async with begin_relist({uid(1): "2026-11-01 8", uid(2): "2026-11-02 8"}) as here:
            last_layout = LastLayouts()
            last_layout.update(uid(1), (4, 4), Trust.KNOWN)
            last_layout.update(uid(2), (8,), Trust.KNOWN)
            last_layout.update(uid(3), (8,), Trust.KNOWN)
            async with here.replica(last_layout):
                await asyncio.sleep(30)
                assert here.shard() == {uid(1): f"{TODAY} 4+4", uid(3): f"{TODAY} 8"}

    run(main())


def test_what_has_no_form_is_not_sent() -> None:
    """No guest has so many vCPUs; should one, it stays in memory."""

    async def main() -> None:
        async with begin_relist() as here, here.replica() as one:
            one.last_layout.update(uid(1), (10_000,), Trust.KNOWN)
            await asyncio.sleep(60)
            assert here.patches() == []

    run(main())


@pytest.mark.parametrize("verb", ["get", "patch"])
def test_where_it_is_forbidden_it_is_quiet(verb: str) -> None:
    """One line, one try in a quarter of an hour; once allowed, all is written, and that is said."""

    async def main() -> None:
        async with begin_relist() as here:
            here.api.forbidden = {(verb, MAPS)}
            async with here.replica() as one:
                for number in range(64):
                    one.last_layout.update(uid(number, number % 16), (8,), Trust.KNOWN, starts=True)
                await asyncio.sleep(3500)
                assert one.counts == {"forbidden": 4}
                assert len(here.api.requests) == 4 * (1 if verb == "get" else 2)
                here.api.forbidden = set()
                await asyncio.sleep(1000)
                assert [len(here.shard(number)) for number in range(16)] == [4] * 16

    with structlog.testing.capture_logs() as logs:
        run(main())
    said = [entry for entry in logs if entry["log_level"] == "warning"]
    assert len(said) == 1
    assert f"grant the verb {verb} on configmaps" in said[0]["error"]
    assert "keepLastLayouts: false" in said[0]["event"]
    assert [entry["event"] for entry in logs if entry["log_level"] == "info"] == ["last layouts of VMs are kept again"]


def test_those_that_are_missing_do_not_keep_the_others() -> None:
    """Said once; the others are written, and a missing one when it is there; that all is well again, when all is."""

    async def main() -> None:
        async with begin_relist(maps=14) as here, here.replica() as one:
            for number in range(16):
                one.last_layout.update(uid(number, number), (8,), Trust.KNOWN, starts=True)
            await asyncio.sleep(2000)
            assert [len(here.shard(number)) for number in range(14)] == [1] * 14
            assert one.counts == {"written": 14, "absent": 6}
            for number in (15, 14):
                meta = {"name": SHARDS[number], "namespace": "fastfit"}
                here.api.put(MAPS, {"metadata": {**meta, "labels": {"app.kubernetes.io/component": "layouts"}}})
                await asyncio.sleep(1000)
                assert len(here.shard(number)) == 1
                assert [entry["log_level"] for entry in logs] == ["warning", *["info"] * (number == 14)]

    with structlog.testing.capture_logs() as logs:
        run(main())
    assert "404" in logs[0]["error"]


@pytest.mark.parametrize("code", [413, 422])
def test_a_patch_that_is_refused_rests(code: int) -> None:
    """Too large, or made immutable: that one is left alone for a while, and nothing is lost."""

    async def main() -> None:
        async with begin_relist() as here, here.replica() as one:
            await asyncio.sleep(5)
            here.api.fault("patch", MAPS, Refuse(code))
            one.last_layout.update(uid(1), (8,), Trust.KNOWN, starts=True)
            await asyncio.sleep(800)
            assert one.counts == {"refused": 1}
            await asyncio.sleep(200)
            assert here.shard() == {uid(1): f"{TODAY} 8"}

    run(main())


def test_a_sick_server_is_left_alone_for_a_while() -> None:
    """Back-off after faults and conflicts, and what the server asks for; nothing is lost."""

    async def main() -> None:
        async with begin_relist() as here, here.replica() as one:
            await asyncio.sleep(5)
            begun = len(here.api.requests)
            here.api.fault("patch", MAPS, Refuse(500), Refuse(409), Refuse(429, retry_after=40))
            one.last_layout.update(uid(1), (8,), Trust.KNOWN, starts=True)
            await asyncio.sleep(200)
            tries = [request for request in here.api.requests[begun:] if request.verb == "patch"]
            assert [request.code for request in tries] == [500, 409, 429, 200]
            assert tries[3].at - tries[2].at >= 40
            assert one.counts == {"failed": 3, "written": 1}
            assert here.shard() == {uid(1): f"{TODAY} 8"}

    run(main())


@pytest.mark.parametrize("body", [b"<html>", b'{"data":[]}', b'{"data":{"a":1}}', b"\xff"])
def test_an_answer_that_is_no_configmap_is_a_failure(body: bytes) -> None:
    """A proxy's page, or another object: tried again, and the task lives."""

    async def main() -> None:
        async with begin_relist({uid(1): f"{TODAY} 8"}) as here:
            here.api.fault("get", MAPS, Refuse(200, body=body))
            async with here.replica() as one:
                await asyncio.sleep(60)
                assert one.counts == {"failed": 1}
                assert one.last_layout.split(uid(1)) == (8,)

    run(main())
