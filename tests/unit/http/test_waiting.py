"""Calls that wait for objects which their pods have overtaken: bounded, apart from others, and counted."""

import asyncio
import json

import msgspec
import pytest

from _fastfit.codes import Code
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.http.address import Address
from extender.http.health import Health
from extender.http.server import Server
from extender.observe.decisions import DecisionLog
from extender.observe.metrics import Metrics
from tests.kit.bodies import args
from tests.kit.migrations import target
from tests.kit.objects import KUBELET_A, machine, node, vmi
from tests.kit.verbs import make_verbs
from tests.unit.http.support import FakeMissing, raw, running, settings

pytestmark = pytest.mark.asyncio


async def _until(condition) -> None:
    while not condition():
        await asyncio.sleep(0.001)


async def test_a_call_is_answered_when_the_object_comes():
    """The verb is not asked before, and is asked at once then; another object of the same pod is waited for, too."""
    async with running(settings(wait_for_vm_milliseconds=20_000)) as it, raw(it.port) as peer:
        missing = it.verbs.absent[b"a"] = FakeMissing()
        call = asyncio.create_task(peer.post("/filter", b"a"))
        await _until(lambda: missing.calls)
        missing.come(whole=False)
        await asyncio.sleep(0.01)
        assert it.verbs.asked == []
        missing.come()
        assert (await call)[0] == 200
        assert [asked[:2] for asked in it.verbs.asked] == [("filter", b"a")]
        assert missing.calls == []
        assert it.count("fastfit_vm_waits_total", outcome="came") == 1


async def test_other_calls_are_answered_meanwhile():
    """While one call waits, one on another connection has its reply."""
    async with running(settings(wait_for_vm_milliseconds=20_000)) as it, raw(it.port) as peer, raw(it.port) as other:
        missing = it.verbs.absent[b"a"] = FakeMissing()
        call = asyncio.create_task(peer.post("/filter", b"a"))
        await _until(lambda: missing.calls)
        assert (await other.post("/filter", b"b"))[0] == 200
        assert [asked[1] for asked in it.verbs.asked] == [b"b"]
        missing.come()
        assert (await call)[0] == 200


async def test_the_wait_is_bounded_and_comes_to_an_end():
    """What does not come is gone without: the verb answers, nobody is told any more, and it is counted as late."""
    async with running() as it, raw(it.port) as peer:
        missing = it.verbs.absent[b"a"] = FakeMissing()
        assert (await peer.post("/filter", b"a"))[0] == 200
        assert len(it.verbs.asked) == 1
        assert missing.calls == []
        assert it.count("fastfit_vm_waits_total", outcome="late") == 1


async def test_zero_never_waits():
    """Switched off, nothing is asked for and nothing is waited for."""
    async with running(settings(wait_for_vm_milliseconds=0)) as it, raw(it.port) as peer:
        it.verbs.absent[b"a"] = FakeMissing()
        assert (await peer.post("/filter", b"a"))[0] == 200
        assert it.verbs.absent
        assert it.count("fastfit_vm_waits_total", outcome="late") == 0


@pytest.mark.parametrize("step", ["read", "missing"])
async def test_a_fault_while_asking_what_to_wait_for_stops_one_call(monkeypatch, step):
    """That call ends as with any fault of ours; the next one is answered."""
    async with running() as it, raw(it.port) as peer:

        def fail(call: bytes) -> None:
            raise RuntimeError(call)

        with monkeypatch.context() as faulty:
            faulty.setattr(it.verbs, step, fail)
            status, _, body = await peer.post("/filter", b"a")
            assert (status, b"internal error" in body) == (200, True)
            assert (await peer.post("/prioritize", b"a"))[0] == 500
        assert (await peer.post("/prioritize", b"a"))[0] == 200
        assert len(it.verbs.asked) == 1


async def test_a_target_that_overtook_its_vmi_is_judged_with_it():
    """From socket to table: the call comes, then the VMI, then the answer, which knows the VM; a later call is not held."""
    cluster, metrics = Cluster(), Metrics("0", "python")
    cluster.replace(Source.NODES, [node("n", KUBELET_A, machine())])
    cluster.replace(Source.VMIS, [])
    given = settings(wait_for_vm_milliseconds=20_000, server={"drain_seconds": 0})
    health, address = Health(list, metrics.pulse), Address("127.0.0.1", 0)
    server = Server(
        given,
        make_verbs(cluster),
        metrics=metrics,
        decisions=DecisionLog(10),
        health=health,
        bind=address,
        ops_bind=address,
    )
    await server.start()
    make_verbs.summaries.clear()
    try:
        async with raw(int(server.url.rpartition(":")[2])) as peer:
            body = args(["n"], json.loads(msgspec.json.encode(target("vm"))))
            call = asyncio.create_task(peer.post("/filter", body))
            await _until(lambda: cluster.vms._waiting)
            assert make_verbs.summaries == []
            cluster.put(Source.VMIS, vmi("vm"))
            assert (await call)[0] == 200
            assert make_verbs.summaries[-1].counts == {Code.Fits: 1}
            assert not cluster.vms._waiting
            cluster.delete(Source.VMIS, vmi("vm"))
            assert (await peer.post("/filter", body))[0] == 200
            assert make_verbs.summaries[-1].counts == {Code.MoverNotKnown: 1}
    finally:
        await server.close()
        make_verbs.summaries.clear()
