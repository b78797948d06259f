"""All sources together: what is needed, what is absent, and what readiness says."""

import asyncio

import structlog

from extender.cache.events import Source
from extender.watch.kinds import Need
from extender.watch.status import SourceStatus, State
from tests.kit.fakeapi import FakeApi, Refuse, run
from tests.kit.watch import node, pod, states_in, watching

OPTIONAL = dict.fromkeys((Source.NRTS, Source.VMIS, Source.MIGRATIONS, Source.KUBEVIRTS), Need.OPTIONAL)


def test_absent_optional_kind_is_said_once_and_does_not_hold_us_up() -> None:
    """No KubeVirt: one log line, the sink is told once, ready; asked again every minute."""

    async def main() -> None:
        api = FakeApi()
        api.not_served = {"virtualmachineinstances", "virtualmachineinstancemigrations"}
        async with watching(api, needs=OPTIONAL) as stage:
            await stage.until(lambda: stage.watcher.ready)
            await asyncio.sleep(600)
            assert stage.status(Source.VMIS).state is State.ABSENT
            assert stage.ledger.absences.count(Source.VMIS) == 1
            assert 10 <= len(api.seen(plural="virtualmachineinstances")) <= 11
            assert stage.watcher.ready
            assert stage.status(Source.VMIS).age_seconds is not None

    with structlog.testing.capture_logs() as logs:
        run(main())
    said = [entry for entry in logs if entry["event"] == "kind not served"]
    assert sorted(entry["resource"] for entry in said) == [
        "virtualmachineinstancemigrations.kubevirt.io",
        "virtualmachineinstances.kubevirt.io",
    ]


def test_kind_that_appears_later_is_followed() -> None:
    """KubeVirt is installed while we run: within a minute its objects are there."""

    async def main() -> None:
        api = FakeApi()
        api.not_served = {"virtualmachineinstances"}
        async with watching(api, needs=OPTIONAL) as stage:
            await stage.until(lambda: stage.status(Source.VMIS).state is State.ABSENT)
            api.put("virtualmachineinstances", {"metadata": {"name": "vm", "namespace": "vms"}})
            api.not_served = set()
            await stage.settled(Source.VMIS, within=65)

    with structlog.testing.capture_logs() as logs:
        run(main())
    assert states_in(logs, Source.VMIS) == [State.ABSENT, State.SYNCING, State.LIVE]


def test_kind_that_is_removed_is_absent_only_after_several_answers() -> None:
    """A CRD is deleted: its picture goes, after three answers in a row; fewer, however often, cost nothing."""

    async def main() -> None:
        api = FakeApi()
        api.put("virtualmachineinstances", {"metadata": {"name": "vm", "namespace": "vms"}})
        async with watching(api, needs=OPTIONAL) as stage:
            await stage.settled(Source.VMIS)
            for _ in range(4):
                api.fault("watch", "virtualmachineinstances", Refuse(404), Refuse(404))
                api.reset_connections()
                await stage.until(lambda: "404" in stage.status(Source.VMIS).last_error)
                assert stage.status(Source.VMIS).state is State.STALE
                await stage.settled(Source.VMIS)
            assert not stage.ledger.absences
            assert stage.status(Source.VMIS).resyncs == 0
            api.not_served = {"virtualmachineinstances"}
            api.reset_connections()
            await stage.until(lambda: stage.ledger.absences == [Source.VMIS])
            assert stage.status(Source.VMIS).objects == 0
            assert Source.VMIS not in stage.ledger.stores
            api.not_served = set()
            await stage.settled(Source.VMIS)
            assert stage.status(Source.VMIS).resyncs == 1

    run(main())


def test_absent_required_kind_keeps_us_unready_and_says_why() -> None:
    """NRT required but not installed: not ready, with the two remedies; installed, ready."""

    async def main() -> None:
        api = FakeApi()
        api.not_served = {"noderesourcetopologies"}
        async with watching(api, needs=OPTIONAL | {Source.NRTS: Need.REQUIRED}) as stage:
            await asyncio.sleep(30)
            (text,) = stage.watcher.not_ready()
            assert text.startswith("noderesourcetopologies: required, but the API server does not serve it")
            assert "sources.noderesourcetopologies" in text
            api.not_served = set()
            await stage.until(lambda: stage.watcher.ready)

    run(main())


def test_optional_kind_that_is_served_is_waited_for_at_the_start() -> None:
    """Reports that exist must be there before the first answer: a node without them would count as unknown."""

    async def main() -> None:
        api = FakeApi()
        async with watching(api, needs=OPTIONAL) as stage:
            api.forbidden = {("watch", "pods")}
            stage.api.fault("watch", "noderesourcetopologies")
            assert [text.split(":")[0] for text in stage.watcher.not_ready()] == [str(source) for source in Source]
            api.forbidden = set()
            await stage.until(lambda: stage.watcher.ready)

    run(main())


def test_forbidden_optional_kind_does_not_hold_us_up() -> None:
    """An optional kind that RBAC forbids is a definite answer: ready without it, and the status says why."""

    async def main() -> None:
        api = FakeApi()
        api.forbidden = {("watch", "virtualmachineinstances"), ("list", "virtualmachineinstances")}
        async with watching(api, needs=OPTIONAL) as stage:
            await stage.until(lambda: stage.watcher.ready)
            assert "grant the verb watch" in stage.status(Source.VMIS).last_error
            assert stage.status(Source.VMIS).state is State.EMPTY

    run(main())


def test_kind_that_is_off_is_never_asked_for() -> None:
    """Off: no request, absent for the sink, not in the way; nodes and pods cannot be off."""

    async def main() -> None:
        api = FakeApi()
        api.put("nodes", node("n"))
        needs = dict.fromkeys(Source, Need.OFF)
        async with watching(api, needs=needs) as stage:
            await stage.until(lambda: stage.watcher.ready)
            await stage.settled(Source.NODES)
            assert {request.resource.plural for request in api.requests} == {"nodes", "pods"}
            assert sorted(stage.ledger.absences) == sorted(OPTIONAL)
            assert [status.state for status in stage.watcher.status()] == [State.LIVE] * 2 + [State.OFF] * 4
            assert [status.need for status in stage.watcher.status()] == [Need.REQUIRED] * 2 + [Need.OFF] * 4

    run(main())


def test_one_broken_source_does_not_disturb_the_others() -> None:
    """While one kind fails all the time, the others follow their changes."""

    async def main() -> None:
        api = FakeApi()
        api.forbidden = {("watch", "virtualmachineinstances")}
        async with watching(api, needs=OPTIONAL) as stage:
            await stage.settled()
            for number in range(20):
                api.put("pods", pod(f"p{number}"))
                await stage.settled(within=2)

    run(main())


def test_end_is_by_cancellation_alone() -> None:
    """Cancelled, the watcher ends at once and leaves no connection open at the server."""

    async def main() -> None:
        api = FakeApi()
        async with watching(api) as stage:
            await stage.settled()
        assert not api._open
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_obstacles() -> None:
    """The table of readiness, row by row: need, state, age, settled -> in the way or not."""

    def obstacle(need: Need, state: State, age: float | None, *, settled: bool) -> bool:
        status = SourceStatus(Source.VMIS, need, state, age, 0, 0, 0, "", settled=settled)
        return bool(status.obstacle(180))

    must, may, off = Need.REQUIRED, Need.OPTIONAL, Need.OFF
    rows = [
        (must, State.EMPTY, None, False, True),
        (must, State.SYNCING, None, False, True),
        (must, State.LIVE, 10.0, True, False),
        (must, State.LIVE, 181.0, True, True),
        (must, State.STALE, 10.0, True, False),
        (must, State.STALE, 181.0, True, True),
        (must, State.ABSENT, 10.0, True, True),
        (may, State.EMPTY, None, False, True),
        (may, State.SYNCING, None, False, True),
        (may, State.EMPTY, None, True, False),
        (may, State.STALE, 999.0, True, False),
        (may, State.ABSENT, 10.0, True, False),
        (off, State.OFF, None, True, False),
    ]
    for need, state, age, settled, expected in rows:
        assert obstacle(need, state, age, settled=settled) is expected, (need, state, age, settled)
