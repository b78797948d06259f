"""The running parts between the ports and the picture: readiness, outcomes, and the configuration file."""

import itertools
import time
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from click.testing import CliRunner

from extender import names
from extender.api.objects import Meta, Node, Pod
from extender.cache.events import Source
from extender.cli import program
from extender.config import Settings
from extender.placement.node_totals import NodeTotals
from extender.runtime.evacuable_rounds import EvacuableRounds
from extender.runtime.reload import ConfigFile
from extender.runtime.service import Service
from extender.runtime.watch_metrics import WatchMetrics
from extender.sample.generate import CLUSTER, FILTER_BODY
from extender.snapshot import read
from extender.verbs.reply import Reply

HEAD = f"apiVersion: {names.API_VERSION}\nkind: {names.CONFIG_KIND}\n"


def _service() -> Service:
    service = Service(Settings())
    read(CLUSTER).feed(service.sink)
    return service


def _filter(service: Service, now: float) -> Reply:
    return service.verbs.filter(service.verbs.read(FILTER_BODY.read_bytes()), now)


def _page(service: Service) -> str:
    return service.metrics.render("")[0].decode()


def test_not_ready_until_sources_are_there_and_the_rows_are_made() -> None:
    """A call before that is answered with what is missing; other pods pass all the same."""
    service = _service()
    service.watched(lambda: ["pods: not synced yet"], tuple)
    assert service.not_ready() == ["pods: not synced yet"]
    early = orjson.loads(_filter(service, 0.0).body)
    assert "pods: not synced yet" in early["Error"]
    service.watched(tuple, tuple)
    assert service.not_ready() == ["rows of the first picture are being made"]
    service.make_rows_now()
    assert service.not_ready() == []
    assert orjson.loads(_filter(service, 0.0).body)["NodeNames"]


def _asked(service: Service) -> Pod:
    """The sample's pod, bound to the node that filter charged."""
    service.make_rows_now()
    _filter(service, 1.0)
    call = orjson.loads(FILTER_BODY.read_bytes())
    call["Pod"]["spec"]["nodeName"] = next(service.decisions.select()).best
    pod: Pod = msgspec.convert(call["Pod"], Pod)
    service.sink.put(Source.PODS, pod)
    return pod


def _with_status(pod: Pod, **status: Any) -> Pod:
    return msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, **status))


def test_a_kubelets_refusal_is_counted_with_what_we_had_said() -> None:
    """A bound pod that its kubelet fails appears in the metric and behind its decision."""
    service = _service()
    pod = _asked(service)
    failed = _with_status(pod, phase="Failed", reason="TopologyAffinityError", message="no")
    service.sink.put(Source.PODS, failed)
    assert 'fastfit_kubelet_refusals_total{our_verdict="fits",reason="TopologyAffinityError"} 1.0' in _page(service)
    assert "TopologyAffinityError: no" in next(service.decisions.select()).afterwards


def test_an_admission_is_noted_behind_its_decision() -> None:
    """A bound pod that its kubelet starts is said to be admitted there."""
    service = _service()
    pod = _asked(service)
    service.sink.put(Source.PODS, _with_status(pod, start_time="2026-09-02T10:00:00Z"))
    assert next(service.decisions.select()).afterwards == f"admitted by the kubelet of {pod.spec.node_name}"


def test_explain_knows_the_pods_that_were_asked_about() -> None:
    """Only pods of recent calls can be explained; asking charges nothing."""
    service = _service()
    service.make_rows_now()
    call = orjson.loads(FILTER_BODY.read_bytes())
    key = call["Pod"]["metadata"]["namespace"], call["Pod"]["metadata"]["name"]
    assert service.explain(*key) is None
    _filter(service, 0.0)
    tracked_pods = service.cluster.tracked_pods()
    assert orjson.loads(service.explain(*key) or b"{}")["name"] == key[1]
    assert service.cluster.tracked_pods() == tracked_pods


def _numbers(service: Service, vm: str) -> Any:
    return orjson.loads(service.targets("vms", vm, 100) or b"{}").get("evacuable")


@pytest.mark.parametrize("vm", ["ledger-2", "shard-3", "ledger-3"])
def test_the_debug_page_of_targets_is_what_the_command_prints(vm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same JSON as `fastfit targets VM -o json`, once the VM's targets are counted; asking charges nothing.

    The nodes' sums aside: the cache does not hold the ordinary pods that they take, and the page says so.
    """
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(NodeTotals, "short", lambda *_: {})
    command = ["targets", "--snapshot", str(CLUSTER), f"vms/{vm}", "-o", "json"]
    printed = orjson.loads(CliRunner().invoke(program, command).stdout)
    service = _service()
    service.make_rows_now()
    tracked_pods = service.cluster.tracked_pods()
    _count_all(_rounds(service))
    answered = orjson.loads(service.targets("vms", vm, 100) or b"{}")
    assert ("sums" in printed.pop("notJudged"), "sums" in answered.pop("notJudged")) == (False, True)
    for answer in (printed, answered):
        del answer["generation"]
    assert answered == printed
    assert service.cluster.tracked_pods() == tracked_pods


def _rounds(service: Service) -> EvacuableRounds:
    return EvacuableRounds(service._evacuability, lambda: True, time.monotonic)


def _count_all(rounds: EvacuableRounds, now: float = 0.0) -> None:
    for _ in range(10_000):
        rounds.slice(now)


def test_targets_of_a_vm_that_does_not_run_here() -> None:
    """A VM that waits, one that holds nothing of a zone, and no VM at all."""
    service = _service()
    service.make_rows_now()
    for vm in ("frontdesk", "mail-1", "nothing"):
        assert service.targets("vms", vm, 100) is None


def test_only_so_many_nodes_are_shown() -> None:
    """The best ones, and a note says how many there are."""
    service = _service()
    service.make_rows_now()
    answer = orjson.loads(service.targets("vms", "ledger-2", 2) or b"{}")
    assert [node["verdict"] for node in answer["nodes"]][:2] == ["fits", "fits"]
    assert len(answer["nodes"]) == 3, "two, and the node where the VM runs"
    assert "2 of 11 nodes are shown, the best first" in answer["notes"]


def test_kubelets_of_other_minors_are_named() -> None:
    """In the metric by cause, in the answer by version: the first three at the top, every one at its node."""
    service = _service()
    versions = ["v1.30.1", "v1.31.4", "v1.32.0", "v1.29.3", "edge", "v1.39.0", "", "v1.33.9"]
    nodes = [item for item in orjson.loads(CLUSTER.read_bytes())["items"] if item["kind"] == "Node"]
    for node, version in zip(nodes, versions, strict=False):
        node["status"]["nodeInfo"]["kubeletVersion"] = version
        service.cluster.put(Source.NODES, msgspec.convert(node, Node))
    service.make_rows_now()
    counts = {"older": 4, "newer": 1, "unreadable": 1, "unknown": 1}
    for cause, count in counts.items():
        assert f'fastfit_stand_in_nodes{{cause="{cause}"}} {count}.0' in _page(service)
    answer = orjson.loads(service.targets("vms", "ledger-2", 0) or b"{}")
    named = [node["standIn"] for node in answer["nodes"] if node["standIn"]]
    assert len(named) == 7
    assert [note for note in answer["notes"] if "judged by" in note][3:] == [
        "4 more kubelet versions judged by the rules of another minor"
    ]


def test_targets_are_counted_between_the_calls() -> None:
    """Slice by slice, a round at a time: numbers appear in the answer and sums in the metrics, and are counted anew."""
    service = _service()
    service.make_rows_now()
    assert _numbers(service, "ledger-2") is None
    assert "fastfit_evacuable_vms" not in _page(service)
    rounds = _rounds(service)
    _count_all(rounds)
    assert _numbers(service, "ledger-2")["symmetric"] == 4
    assert 'fastfit_evacuable_vms{outcome="symmetric",targets="unknown"}' in _page(service)
    for node in ("xeon-1", "epyc-2"):
        service.cluster.delete(Source.NODES, Node(metadata=Meta(name=node)))
    _count_all(rounds, 4.9)
    assert _numbers(service, "ledger-2")["symmetric"] == 4
    _count_all(rounds, 5.0)
    assert _numbers(service, "ledger-2")["symmetric"] == 2


def test_a_slice_ends_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the step in which the budget is used up, nothing more is counted until the next slice."""
    service = _service()
    service.make_rows_now()
    steps = iter(range(1_000_000))

    class Endless:
        summary = None

        def round(self) -> Any:
            return steps

    times = iter([0.0, 0.0002, 0.0003, 0.0005, 0.0007])
    monkeypatch.setattr("extender.runtime.evacuable_rounds.time.perf_counter", lambda: next(times))
    EvacuableRounds(Endless(), lambda: True, time.monotonic).slice(0.0)  # type: ignore[arg-type]
    assert next(steps) == 3


def test_a_long_round_is_followed_by_a_long_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds take half a percent of all time, however much there is to count."""
    begun = []

    class Long:
        summary = None

        def round(self) -> Any:
            begun.append(clock[0])
            yield from range(100)

    ticks = itertools.count()
    clock = [0.0]
    monkeypatch.setattr("extender.runtime.evacuable_rounds.time.perf_counter", lambda: next(ticks) * 0.001)
    counting = EvacuableRounds(Long(), lambda: True, time.monotonic)  # type: ignore[arg-type]
    for second in range(100):
        clock[0] = float(second)
        for _ in range(200):
            counting.slice(clock[0])
    rests = [after - before for before, after in itertools.pairwise(begun)]
    assert len(rests) > 3
    assert all(20 <= rest <= 21 for rest in rests), "a round takes 0.1 s of work"


def test_watches_are_counted() -> None:
    """Events, new lists, failures and unreadable objects reach the metrics."""
    service = _service()
    counter = WatchMetrics(service.metrics)
    counter.event(Source.PODS, "ADDED", 0.00001)
    counter.resync(Source.PODS, "gone")
    counter.failed(Source.NODES, "Unreachable")
    counter.skipped(Source.VMIS)
    page = _page(service)
    assert 'fastfit_watch_events_total{change="ADDED",source="pods"} 1.0' in page
    assert 'fastfit_resyncs_total{cause="gone",source="pods"} 1.0' in page
    assert 'cause="Unreachable",source="nodes"} 1.0' in page
    assert 'source="virtualmachineinstances"} 1.0' in page


class _Taken:
    def __init__(self) -> None:
        self.settings: list[Settings] = []
        self.errors = 0

    def fail(self) -> None:
        self.errors += 1


def test_a_changed_configuration_is_taken_over_and_a_bad_one_is_not(tmp_path: Path) -> None:
    """Only changed content is read; a mistake is counted once and leaves the old settings; a missing file waits."""
    path = tmp_path / "c.yaml"
    path.write_text(HEAD)
    taken = _Taken()
    file = ConfigFile(str(path), Settings(), taken.settings.append, taken.fail)
    assert not file.look()
    path.write_text(HEAD + "mode: observe\n")
    assert file.look()
    assert not file.look()
    for bad in (b"mode: [", HEAD.encode() + b"mode: x\n", b"\xff"):
        path.write_bytes(bad)
        assert not file.look()
        assert not file.look()
    path.unlink()
    assert not file.look()
    assert taken.errors == 3
    assert [settings.mode for settings in taken.settings] == ["observe"]
    path.write_text(HEAD + "mode: score\n")
    assert file.look()


@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_new_settings_reach_the_verbs(mode: str) -> None:
    """Observe echoes every node, enforce does not."""
    service = _service()
    service.make_rows_now()
    service.configure(Settings(mode=mode))  # type: ignore[arg-type]
    kept = orjson.loads(_filter(service, 0.0).body)["NodeNames"]
    assert (len(kept) == 12) == (mode == "observe")
    assert f'fastfit_mode{{mode="{mode}",pool=""}} 1.0' in _page(service)


def test_the_debug_page_of_a_vm_that_is_not_known_is_certain_of_nothing() -> None:
    """Its VMI is gone from the picture: every node is unknown there, as for the target's own call."""
    service = _service()
    service.make_rows_now()
    service.cluster.replace(Source.VMIS, [])
    answer = orjson.loads(service.targets("vms", "ledger-2", 100) or b"{}")
    assert {node["code"] for node in answer["nodes"]} == {"MoverNotKnown"}
