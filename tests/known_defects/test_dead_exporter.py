"""An exporter that dies: what a finished pod gives back may not be taken away again by the last report that came.

Two VMs of 12 CPUs run, one in each zone, and the exporter shows them, every minute. It dies, then both VMs end: the node
is empty, and its report will say 2 and 4 CPUs free for ever.
"""

import asyncio
from dataclasses import dataclass

import msgspec
import pytest

from _fastfit.codes import Code
from extender.api.objects import NodeResourceTopology, Pod
from extender.cache.events import Source
from extender.config import Settings
from extender.runtime.service import Service
from extender.watch.kinds import Need
from extender.watch.status import SourceStatus, State
from tests.kit.objects import machine, node, nrt, pod
from tests.kit.verbs import AskedVerbs
from tests.known_defects.scene import PLACEMENT_TRUTH, Answer, Extender, kubelet_facts, must, running

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
#: when both VMs have ended
ENDED = 200.0
EMPTY = [14, 16]
WAITS = [pytest.param(wait, id=name) for name, wait in (("2min", 2 * MINUTE), ("1h", HOUR), ("1d", DAY))]


def report(version: int) -> NodeResourceTopology:
    """What the exporter writes while both VMs run; it touches the object every time."""
    record = nrt("n", [{"cpu": 2}, {"cpu": 4}])
    return msgspec.structs.replace(
        record, metadata=msgspec.structs.replace(record.metadata, resource_version=str(version))
    )


def small(name: str) -> Pod:
    """A pod that comes and goes: the node's row is made anew."""
    return running(name, 1, "n", second=9)


@dataclass(frozen=True, slots=True)
class Later:
    """The empty node some time after its VMs have ended, and the answer for a VM of 12 CPUs."""

    free: list[int]
    code: Code
    answer: Answer


def played(extender: Extender) -> None:
    """Up to the end of both VMs. The last report came at 180 s."""
    extender.see(node("n", kubelet_facts(), machine(pages=0)))
    vms = [running(f"r{i}", 12, "n", second=i) for i in range(2)]
    extender.see(*vms)
    for minute in range(4):
        extender.now(minute * MINUTE)
        extender.see(report(minute))
    extender.now(ENDED)
    extender.gone(*vms)


def later(seconds: float) -> Later:
    extender = Extender()
    played(extender)
    extender.now(ENDED + seconds)
    extender.see(small("passing"))
    extender.gone(small("passing"))
    free, code = extender.free("n"), extender.code("n")
    return Later(free, code, extender.filter(pod("next", 12, 0), "n"))


def test_while_the_vms_run_report_and_model_agree() -> None:
    """The exporter counts these pods: what it shows is what the model has."""
    extender = Extender()
    extender.see(node("n", kubelet_facts(), machine(pages=0)))
    extender.see(*(running(f"r{i}", 12, "n", second=i) for i in range(2)))
    assert extender.free("n") == [2, 4]
    extender.see(report(0))
    assert extender.free("n") == [2, 4]
    assert extender.code("n") is Code.Fits


def test_at_once_the_ended_pods_are_credited_to_the_lagging_report() -> None:
    """A VM of 12 CPUs fits right after they ended."""
    scene = later(1.0)
    assert scene.free == EMPTY
    assert scene.answer.kept == ["n"]


def test_a_report_that_is_newer_than_their_end_is_believed() -> None:
    """A live exporter that still shows CPUs in use two minutes later knows of a pod that we do not see."""
    extender = Extender()
    played(extender)
    extender.now(ENDED + 2 * MINUTE)
    extender.see(nrt("n", [{"cpu": 2}, {"cpu": 3}]))
    assert extender.free("n") == [2, 3]


@PLACEMENT_TRUTH
@pytest.mark.parametrize("wait", WAITS)
def test_what_ended_pods_gave_back_stays_given_back(wait: float) -> None:
    """No report is newer than their end, so none can say otherwise."""
    assert later(wait).free == EMPTY


@PLACEMENT_TRUTH
@pytest.mark.parametrize("wait", WAITS)
def test_the_empty_node_takes_the_next_vm(wait: float) -> None:
    """It has 14 and 16 CPUs free."""
    assert later(wait).answer.kept == ["n"]


@PLACEMENT_TRUTH
def test_the_node_says_that_its_report_is_dead() -> None:
    """Pods that the exporter counts went, and nothing changed for a day of its one-minute periods."""
    assert later(DAY).code is Code.ReportStale


# --- the watch of all reports breaks ------------------------------------------------------------------------


def silent(age: float) -> SourceStatus:
    """Reports: lists and watches are forbidden since then; a picture of before is served."""
    return SourceStatus(Source.NRTS, Need.OPTIONAL, State.STALE, age, 1, 1, 0, "403 forbidden", settled=True)


class Clock:
    """Seconds, set by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def blind(seconds: float) -> tuple[Service, Extender]:
    """A running service whose watch of the reports broke as the VMs ended, so long ago."""
    clock = Clock()
    service = Service(Settings(), clock=clock)
    extender = Extender()
    extender.cluster, extender.verbs = service.cluster, AskedVerbs(service.verbs.context)
    played(extender)
    clock.seconds = ENDED + seconds
    service.watched(lambda: [why for why in [silent(seconds).obstacle(180.0)] if why], lambda: [silent(seconds)])
    asyncio.run(current(service))
    extender.clock = clock.seconds
    extender.see(small("passing"))
    extender.gone(small("passing"))
    return service, extender


async def current(service: Service) -> None:
    """Run what keeps the service current, until it has ticked and made every row."""
    running = [asyncio.create_task(task) for task in service.background()]
    while service.not_ready():
        must(not any(task.done() for task in running), "the service keeps itself current")
        await asyncio.sleep(0.01)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def page(service: Service) -> str:
    return service.metrics.render("")[0].decode()


def test_an_optional_source_that_is_silent_leaves_the_service_ready() -> None:
    """Nodes whose machine is stated are judged without reports."""
    assert silent(DAY).obstacle(180.0) == ""
    assert blind(DAY)[0].not_ready() == []


def test_a_metric_shows_how_old_the_reports_are() -> None:
    """By source."""
    assert 'fastfit_source_age_seconds{source="noderesourcetopologies"} 86400.0' in page(blind(DAY)[0])


@PLACEMENT_TRUTH
def test_without_reports_the_model_alone_counts() -> None:
    """A day after the watch broke the node is empty, and takes a VM of 12 CPUs."""
    _, extender = blind(DAY)
    assert extender.filter(pod("next", 12, 0), "n").kept == ["n"]


@PLACEMENT_TRUTH
def test_without_reports_the_node_says_that_its_report_is_old() -> None:
    """What is broken for all nodes is said of each."""
    _, extender = blind(DAY)
    assert extender.code("n") is Code.ReportStale


@PLACEMENT_TRUTH
def test_without_reports_the_verdicts_are_counted_as_such() -> None:
    """The counter of verdicts has its line for nodes whose report is too old."""
    service, extender = blind(DAY)
    extender.filter(pod("next", 12, 0), "n")
    assert 'fastfit_verdicts_total{reason="ReportStale",verdict="unknown"} 1.0' in page(service)
