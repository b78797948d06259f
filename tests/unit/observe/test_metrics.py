"""What Prometheus sees."""

import asyncio
import gc

import pytest

from _fastfit.codes import Code
from extender.cache.events import Source
from extender.observe.metrics import Metrics
from extender.observe.process import GcPauses, LoopPulse, PlainHistogram
from extender.placement.evacuable import BUCKETS, Evacuable
from extender.watch.kinds import Need
from extender.watch.status import SourceStatus, State

PROMISED = {
    "fastfit_requests_total", "fastfit_request_seconds", "fastfit_nodes_considered", "fastfit_verdicts_total",
    "fastfit_source_age_seconds", "fastfit_source_state", "fastfit_resyncs_total", "fastfit_watch_events_total",
    "fastfit_event_apply_seconds", "fastfit_charged_pods", "fastfit_kubelet_refusals_total",
    "fastfit_loop_lag_seconds", "fastfit_gc_pause_seconds", "fastfit_config_errors_total", "fastfit_build_info",
    "fastfit_vm_waits_total", "fastfit_cells_writes_total", "fastfit_layout_records_total",
    "fastfit_mode", "fastfit_stand_in_nodes", "fastfit_evacuable_vms", "fastfit_evacuable_age_seconds",
}  # fmt: skip


@pytest.fixture
def metrics():
    return Metrics("1.2", "cython")


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, labels)


def status(source, state, age):
    return SourceStatus(source, Need.REQUIRED, state, age, 0, 0, 0, "", settled=True)


def exercise(metrics):
    """Count everything once."""
    metrics.request("filter", "ok", 0.001)
    metrics.verdicts(3, {Code.Fits: 2, Code.ZoneCpuShort: 1})
    metrics.resync("pods", "gone")
    metrics.watch_event("pods", "ADDED", 0.00001)
    metrics.watch_failure("pods", "Silence")
    metrics.object_skipped("pods")
    metrics.kubelet_refusal("TopologyAffinityError", "fits")
    metrics.config_error()
    metrics.waited(True)
    metrics.cells_write("written")
    metrics.layout_records("written", 3)
    metrics.modes("enforce", {"big": "observe"})
    metrics.ask_sources(lambda: [status(Source.PODS, State.LIVE, 1.5), status(Source.VMIS, State.ABSENT, None)])
    metrics.ask_charged(lambda: 4)
    metrics.ask_stand_ins(lambda: {"older": 2, "newer": 0, "unreadable": 0, "unknown": 1})
    buckets = dict.fromkeys(BUCKETS, 0)
    metrics.ask_evacuable(lambda: (Evacuable(90.0, {**buckets, "0": 2}, {**buckets, "2-9": 5}, 3), 100.5))


def test_every_promised_metric_is_on_the_page(metrics):
    """By the name under which dashboards and alerts ask for it."""
    exercise(metrics)
    page = metrics.render("")[0].decode()
    listed = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
    assert listed >= PROMISED
    assert not any(name.endswith("_created") for name in listed)


def test_nodes_judged_by_a_stand_in(metrics):
    """By cause; a value that is 0 is there as well."""
    exercise(metrics)
    found = {cause: value(metrics, "fastfit_stand_in_nodes", cause=cause) for cause in ("older", "newer", "unknown")}
    assert found == {"older": 2, "newer": 0, "unknown": 1}


def test_evacuable_vms_by_number_of_targets(metrics):
    """Both outcomes, VMs whose cells are not known among the symmetric, and how old the numbers are."""
    assert "fastfit_evacuable" not in metrics.render("")[0].decode()
    exercise(metrics)
    assert value(metrics, "fastfit_evacuable_vms", outcome="symmetric", targets="0") == 2
    assert value(metrics, "fastfit_evacuable_vms", outcome="symmetric", targets="unknown") == 3
    assert value(metrics, "fastfit_evacuable_vms", outcome="possible", targets="2-9") == 5
    assert value(metrics, "fastfit_evacuable_age_seconds") == 10.5


def test_the_page_is_complete_before_anything_happened(metrics):
    """Verdicts are there from the start, one per code, so that rates begin at zero."""
    page = metrics.render("")[0].decode()
    for code in Code:
        assert f'reason="{code.name}"' in page
    assert "fastfit_charged_pods 0.0" in page


def test_verdicts_are_counted_by_verdict_and_reason(metrics):
    """The code says the verdict."""
    metrics.verdicts(10, {Code.Fits: 5, Code.ReportStale: 3, Code.SmtAlignment: 2})
    metrics.verdicts(1, {Code.Fits: 1})
    assert value(metrics, "fastfit_verdicts_total", verdict="fits", reason="Fits") == 6
    assert value(metrics, "fastfit_verdicts_total", verdict="unknown", reason="ReportStale") == 3
    assert value(metrics, "fastfit_verdicts_total", verdict="refused", reason="SmtAlignment") == 2
    assert value(metrics, "fastfit_nodes_considered_sum") == 11


def test_latency_buckets_reach_from_a_quarter_millisecond_to_five_seconds(metrics):
    """And a request lands in the right one."""
    metrics.request("filter", "ok", 0.0006)
    assert value(metrics, "fastfit_request_seconds_bucket", verb="filter", le="0.00025") == 0
    assert value(metrics, "fastfit_request_seconds_bucket", verb="filter", le="0.00075") == 1
    assert value(metrics, "fastfit_request_seconds_bucket", verb="filter", le="5.0") == 1


def test_what_pods_say_cannot_grow_a_metric(metrics):
    """Unknown reasons and verdicts are folded into a few words."""
    for reason in ("TopologyAffinityError", "OutOfcpu", "OutOfexample.com/nic", "OutOfexample.com/gpu", "x" * 99, ""):
        metrics.kubelet_refusal(reason, "fits")
    metrics.kubelet_refusal("OutOfcpu", "whatever")

    def counted(reason, verdict="fits"):
        return value(metrics, "fastfit_kubelet_refusals_total", reason=reason, our_verdict=verdict)

    assert [counted(r) for r in ("TopologyAffinityError", "OutOfcpu", "OutOfResource", "other")] == [1, 1, 2, 2]
    assert counted("OutOfcpu", "none") == 1


def test_a_source_is_in_exactly_one_state(metrics):
    """Age where there is one; states as 0 and 1."""
    exercise(metrics)
    assert value(metrics, "fastfit_source_age_seconds", source="pods") == 1.5
    assert value(metrics, "fastfit_source_age_seconds", source="virtualmachineinstances") is None
    states = {state: value(metrics, "fastfit_source_state", source="pods", state=state) for state in State}
    assert states == {state: float(state is State.LIVE) for state in State}


def test_modes_replace_each_other(metrics):
    """A pool that is gone leaves no line behind."""
    metrics.modes("observe", {"a": "enforce"})
    metrics.modes("enforce", {})
    assert value(metrics, "fastfit_mode", pool="", mode="enforce") == 1
    assert value(metrics, "fastfit_mode", pool="", mode="observe") is None
    assert value(metrics, "fastfit_mode", pool="a", mode="enforce") is None


def test_no_label_carries_a_name_of_the_cluster(metrics):
    """Labels are these, and no other."""
    exercise(metrics)
    labels = {name for family in metrics.registry.collect() for sample in family.samples for name in sample.labels}
    assert labels == {
        "verb", "outcome", "verdict", "reason", "source", "state", "cause", "change", "our_verdict", "pool", "mode",
        "version", "backend", "le", "targets",
    }  # fmt: skip


def test_histograms_count_up_to_each_bound():
    """A value on a bound belongs to it; the last bucket has all."""
    histogram = PlainHistogram((1.0, 2.0))
    for observed in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(observed)
    assert histogram.cumulative() == [("1.0", 2.0), ("2.0", 3.0), ("+Inf", 4.0)]
    assert histogram.total == 12.0


def test_collections_are_timed_while_counting():
    """From start to stop; starting twice counts once."""
    pauses = GcPauses()
    pauses.start()
    pauses.start()
    gc.collect()
    pauses.stop()
    pauses.stop()
    counted = sum(pauses.histogram.counts)
    gc.collect()
    assert counted >= 1
    assert sum(pauses.histogram.counts) == counted
    assert gc.callbacks.count(pauses._note) == 0


def test_a_collection_while_metrics_are_locked_does_not_hang(metrics):
    """The collector may run at any allocation, also inside the metrics library."""
    metrics.gc.start()
    try:
        with metrics.registry._lock:
            gc.collect()
    finally:
        metrics.gc.stop()


@pytest.mark.asyncio
async def test_the_pulse_sees_a_loop_that_hangs():
    """Late beats are counted; while the loop hangs the next beat grows late; afterwards all is well again."""
    now = 0.0
    pulse = LoopPulse(period_s=0.001, clock=lambda: now)
    assert pulse.lag() == 0.0
    task = asyncio.create_task(pulse.run())
    await asyncio.sleep(0)
    now = 7.001
    assert pulse.lag() == pytest.approx(7.0)
    while not sum(pulse.histogram.counts):
        await asyncio.sleep(0.001)
    assert pulse.lag() >= 0.0
    assert pulse.histogram.counts[-1] == 1
    before = sum(pulse.histogram.counts)
    while sum(pulse.histogram.counts) < before + 3:
        await asyncio.sleep(0.001)
    assert pulse.lag() == 0.0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    now = 100.0
    assert pulse.lag() == 0.0
