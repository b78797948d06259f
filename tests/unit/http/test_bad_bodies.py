"""Hostile bodies over the wire, to the real verbs: an answer for each, on one connection, and the port lives."""

import json

import pytest

from extender.cache.cluster import Cluster
from extender.cache.events import Source
from tests.kit.bodies import args, hostile_bodies
from tests.kit.objects import KUBELET_A, machine, node
from tests.unit.http.support import raw, serving


@pytest.mark.asyncio
async def test_every_hostile_body_gets_an_answer():
    """filter: 200 with Error. prioritize: an empty 400, as Go takes any list of scores for a success."""
    cluster = Cluster()
    cluster.put(Source.NODES, node("a", KUBELET_A, machine()))
    async with serving(cluster) as server:
        port = int(server.url.rpartition(":")[2])
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
