"""Hostile bodies over the wire, to the real verbs: an answer for each, on one connection, and the port lives."""

import json

import pytest

from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.http.address import Address
from extender.http.health import Health
from extender.http.server import Server
from extender.observe.decisions import DecisionLog
from extender.observe.metrics import Metrics
from tests.kit.bodies import args, hostile_bodies
from tests.kit.objects import KUBELET_A, machine, node
from tests.kit.verbs import make_verbs
from tests.unit.http.support import raw, settings


@pytest.mark.asyncio
async def test_every_hostile_body_gets_an_answer():
    """filter: 200 with Error. prioritize: an empty 400, as Go takes any list of scores for a success."""
    cluster = Cluster()
    cluster.put(Source.NODES, node("a", KUBELET_A, machine()))
    metrics = Metrics("0", "python")
    server = Server(
        settings(limits={"body_bytes": 65536}, server={"drain_seconds": 0}),
        make_verbs(cluster),
        metrics=metrics,
        decisions=DecisionLog(10),
        health=Health(list, metrics.pulse),
        bind=Address("127.0.0.1", 0),
        ops_bind=Address("127.0.0.1", 0),
    )
    await server.start()
    port = int(server.url.rpartition(":")[2])
    try:
        bodies = list(hostile_bodies())
        assert len(bodies) >= 200
        async with raw(port) as peer:
            for name, body in bodies:
                if len(body) > 65536:
                    async with raw(port) as other:
                        assert (await other.post("/filter", body))[::2] == (413, b""), name
                    continue
                status, _, answer = await peer.post("/filter", body)
                assert (status, bool(json.loads(answer)["Error"])) == (200, True), name
                status, _, answer = await peer.post("/prioritize", body)
                assert status in (200, 400), name
                assert answer == b"" if status == 400 else isinstance(json.loads(answer), list), name
            status, _, answer = await peer.post("/filter", args(["a"]))
            assert (status, json.loads(answer)["NodeNames"]) == (200, ["a"])
    finally:
        await server.close()
