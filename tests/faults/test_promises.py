"""Promises through faults: what was promised and is bound out of our sight stays charged until we see it."""

import asyncio

import pytest

from extender.watch.kinds import KINDS
from tests.faults.cluster_objects import vm
from tests.faults.scene import scene
from tests.kit.fakeapi import Fault, NoAnswer, Refuse, Silent, run


@pytest.mark.parametrize(
    "faults", [[Silent()], [NoAnswer()], [Refuse(503, retry_after=60)]], ids=["silent", "no answer", "503"]
)
def test_a_binding_that_we_cannot_see_keeps_its_charge(faults: list[Fault]) -> None:
    """VMs come one by one while our watch of pods is broken, and each is bound where we put it: no zone is given twice."""

    async def main() -> None:
        async with scene() as (it, _):
            it.api.fault("watch", KINDS["pods"].resource.plural, *faults)
            it.api.reset_connections()
            await asyncio.sleep(5)
            for number in range(14):
                pod = it.api.put("pods", vm(f"new-{number}", 200 + number))
                _, node = it.call(pod)
                if node:
                    it.api.put("pods", vm(f"new-{number}", 200 + number, node))
                await asyncio.sleep(4)
            assert sum(bool(pod["spec"].get("nodeName")) for pod in it.api.store.fresh("pods")) > 8
            await it.recovered()

    run(main())
