"""A list of pods shows the moment of its request, however long it takes to arrive.

A list in pages takes 46 s. While its second page is on the way a VM is assumed, and bound at once: the list, which shows
the moment of its first page, has it unbound. Nothing later has been seen, so what is assumed may not run out.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, NoReturn

import msgspec
import pytest

from extender.cache.events import Source
from extender.kubeapi.errors import Gone, NotStreamed, Status, Unreachable
from extender.watch.kinds import KINDS, Need
from extender.watch.reflector import Reflector
from extender.watch.status import SourceStatus, State
from tests.kit.objects import machine, node, pod
from tests.known_defects.scene import Extender, kubelet_facts

BEGUN = 100.0
#: seconds up to the filter call, and from there to the end of the list
BEFORE, AFTER = 1.0, 45.0
VM = pod("a", 12, 0)


@dataclass
class SlowApi:
    """An API server that streams no lists. The first list is empty and quick, the second has two pages and is slow."""

    extender: Extender
    seconds: float = BEGUN
    lists: int = 0
    kept: list[str] = field(default_factory=list)

    async def list_page(self, _resource: object, query: dict[str, str]) -> bytes:
        if not self.lists:
            self.lists = 1
            return page("5", [])
        if "continue" not in query:
            return page("7", [VM], more="x")
        self.seconds += BEFORE
        self.extender.now(self.seconds)
        self.kept = self.extender.filter(VM, "n").kept
        self.seconds += AFTER
        return page("7", [])

    def watch_lines(self, _resource: object, query: dict[str, str]) -> NoReturn:
        if "sendInitialEvents" in query:
            raise NotStreamed("off")
        if query["resourceVersion"] == "5":
            raise Gone("too old", Status(code=410), 0.0)
        raise Unreachable("for a while")


def page(version: str, pods: list[Any], more: str = "") -> bytes:
    items = [json.loads(msgspec.json.encode(each)) for each in pods]
    return json.dumps({"metadata": {"resourceVersion": version, "continue": more}, "items": items}).encode()


@dataclass(frozen=True, slots=True)
class Listed:
    """Everything after the list has become the picture."""

    extender: Extender
    kept: list[str]
    end: float
    status: SourceStatus


@pytest.fixture
def scene() -> Listed:
    extender = Extender()
    extender.see(node("n", kubelet_facts(reservedSystemCPUs="0,8"), machine(zones=1, pages=0)))
    extender.now(BEGUN)
    api = SlowApi(extender)

    async def follow() -> SourceStatus:
        transport: Any = api
        reflector = Reflector(
            KINDS[Source.PODS], transport, extender.cluster, need=Need.REQUIRED, clock=lambda: api.seconds
        )
        # A list on the watch, which is refused; a list in pages; a watch, which is too old; the slow list.
        for _ in range(4):
            await reflector._attempt()
        return reflector.status()

    status = asyncio.run(follow())
    return Listed(extender, api.kept, api.seconds, status)


def tick(scene: Listed) -> None:
    """What the running service does every second: bindings are known up to the age of the pods."""
    scene.extender.clock = scene.end
    scene.extender.cluster.tick(scene.end, scene.end - (scene.status.age_seconds or 0.0))


def other(scene: Listed) -> list[str]:
    """Where another VM of this size is sent."""
    return scene.extender.filter(pod("b", 12, 0), "n").kept


def test_the_vm_is_assumed_while_the_list_arrives(scene: Listed) -> None:
    """The list is taken all the same."""
    assert scene.kept == ["n"]
    assert scene.end == BEGUN + BEFORE + AFTER
    assert scene.status.state is State.LIVE
    assert scene.status.resyncs == 1


def test_before_the_next_tick_the_vm_holds_its_zone(scene: Listed) -> None:
    """It is in the list, not bound."""
    assert scene.extender.assumed(VM)
    assert other(scene) == []


def test_the_pods_are_as_old_as_the_request(scene: Listed) -> None:
    """46 s, and not 0."""
    assert scene.status.age_seconds == BEFORE + AFTER


def test_nothing_runs_out_whose_binding_may_not_have_been_seen(scene: Listed) -> None:
    """It was assumed 45 s ago, for 30 s; bindings of that time are in no list."""
    tick(scene)
    assert scene.extender.assumed(VM)


def test_the_zone_of_a_bound_vm_is_given_to_nobody(scene: Listed) -> None:
    """It has room for one."""
    tick(scene)
    assert other(scene) == []
