"""All metrics, in a registry of our own. No label has the name of a pod, a VM or a node as its value.

Label children are created once and kept, so that counting costs one dictionary look-up. Histograms are PlainHistogram:
the library's take a lock per bucket, and everything here runs on one event loop.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from _fastfit.codes import Code
from extender.names import METRIC_PREFIX
from extender.observe.process import GcPauses, LoopPulse, PlainHistogram
from extender.placement.evacuable import Evacuable
from extender.reasons import verdict_of
from extender.watch.status import SourceStatus, State

__all__ = ["KUBELET_REASONS", "Metrics", "wants_openmetrics"]

_OPENMETRICS: Final = "1.0.0"
_OPENMETRICS_NAME: Final = "application/openmetrics-text"
_OPENMETRICS_TYPE: Final = f"{_OPENMETRICS_NAME}; version={_OPENMETRICS}; charset=utf-8"

#: Values of `status.reason` with which kubelets refuse pods (pkg/kubelet/lifecycle and pkg/kubelet/cm, Kubernetes 1.35
#: to 1.37). Others are counted as "OutOfResource" or "other", so that pods cannot add values to the label.
KUBELET_REASONS: Final = frozenset({
    "TopologyAffinityError",
    "SMTAlignmentError",
    "EmptyPodSharedPoolError",
    "UnexpectedAdmissionError",
    "OutOfcpu",
    "OutOfmemory",
    "OutOfpods",
    "NodeAffinity",
})  # fmt: skip

_VERDICTS: Final = frozenset({"fits", "unknown", "refused"})

#: 0.25 ms to 5 s: from the shortest call over loopback to kube-scheduler's default timeout.
_REQUEST_BUCKETS: Final = (
    0.00025, 0.0005, 0.00075, 0.001, 0.0015, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip
_NODE_BUCKETS: Final = (1.0, 2.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0)
#: The budget of one event is 50 us.
_APPLY_BUCKETS: Final = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.05)


def wants_openmetrics(accept: str) -> bool:
    """Whether an Accept header names OpenMetrics. What it says of versions and escaping makes no difference to our names."""
    return any(part.partition(";")[0].strip() == _OPENMETRICS_NAME for part in accept.split(","))


class _Children(dict[tuple[str, ...], Counter]):
    """Label children of one counter by their label values, created at first use."""

    def __init__(self, parent: Counter) -> None:
        super().__init__()
        self._parent = parent

    def __missing__(self, labels: tuple[str, ...]) -> Counter:
        child = self[labels] = self._parent.labels(*labels)
        return child


class Metrics:
    """All metrics of one process. Every method is cheap, and no content of a cluster makes it raise."""

    def __init__(self, version: str, backend: str) -> None:
        """`backend`: the kernel (`_fastfit`) in use, compiled or plain."""
        # The times of creation would double the page and are not used.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry(auto_describe=False)
        self.gc = GcPauses()
        self.pulse = LoopPulse()
        self._sources: Callable[[], Iterable[SourceStatus]] = tuple
        self._charged: Callable[[], int] = int
        self._stand_ins: Callable[[], Mapping[str, int]] = dict
        self._evacuable: Callable[[], tuple[Evacuable | None, float]] = lambda: (None, 0.0)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"{METRIC_PREFIX}_{name}", text, labels, registry=registry)

        self._requests = _Children(counter("requests", "Calls of kube-scheduler.", "verb", "outcome"))
        #: by verb
        self._seconds: dict[str, PlainHistogram] = {}
        self._nodes = PlainHistogram(_NODE_BUCKETS)
        self._apply = PlainHistogram(_APPLY_BUCKETS)
        verdicts = counter("verdicts", "Verdicts of filter calls, one per node.", "verdict", "reason")
        self._verdicts: dict[int, Counter] = {code: verdicts.labels(verdict_of(code), code.name) for code in Code}
        self._resyncs = _Children(counter("resyncs", "Full reads of a source.", "source", "cause"))
        self._events = _Children(counter("watch_events", "Lines received from a source.", "source", "change"))
        self._failures = _Children(counter("watch_failures", "Failed attempts to watch a source.", "source", "cause"))
        self._skipped = _Children(counter("objects_skipped", "Objects of a source that could not be read.", "source"))
        self._mended = _Children(
            counter(
                "objects_mended",
                "Objects of a source of which a field was not of its type, and that were read.",
                "source",
            )
        )
        self._refusals = _Children(
            counter(
                "kubelet_refusals",
                "Virtual-machine pods that a kubelet refused, by its reason and what we had said.",
                "reason",
                "our_verdict",
            )
        )
        self._waits = _Children(
            counter(
                "vm_waits", "Calls that waited for a VMI or migration that had not been seen, by outcome.", "outcome"
            )
        )
        self._writes = _Children(
            counter("cells_writes", "Tries to write a VM's guest cells to its VMI, by outcome.", "outcome")
        )
        self._layouts = _Children(
            counter(
                "layout_records",
                "Last layouts of VMs in our ConfigMaps: entries written, dropped or ignored, and requests that failed.",
                "outcome",
            )
        )
        self._config_errors = counter("config_errors", "Changed configurations that could not be used.")
        self._mode = Gauge(
            f"{METRIC_PREFIX}_mode",
            'Mode in force (1) per pool; pool "" is every node outside the pools.',
            ("pool", "mode"),
            registry=registry,
        )
        Info(f"{METRIC_PREFIX}_build", "What runs.", registry=registry).info({"version": version, "backend": backend})
        registry.register(_Callbacks(self._collect))

    # --- counted by the callers ---------------------------------------------------------------------

    def request(self, verb: str, outcome: str, seconds: float) -> None:
        """One call was answered."""
        self._requests[verb, outcome].inc()
        histogram = self._seconds.get(verb)
        if histogram is None:
            histogram = self._seconds[verb] = PlainHistogram(_REQUEST_BUCKETS)
        histogram.observe(seconds)

    def verdicts(self, offered: int, counts: Mapping[int, int]) -> None:
        """One filter call judged `offered` nodes; `counts` has nodes per code."""
        self._nodes.observe(offered)
        for code, count in counts.items():
            self._verdicts[code].inc(count)

    def resync(self, source: str, cause: str) -> None:
        """A source needs a new list; `cause` is a short constant word."""
        self._resyncs[source, cause].inc()

    def watch_event(self, source: str, change: str, apply_s: float) -> None:
        """One line of a source (ADDED, MODIFIED, DELETED, BOOKMARK) was read and applied in `apply_s` seconds."""
        self._events[source, change].inc()
        self._apply.observe(apply_s)

    def watch_failure(self, source: str, cause: str) -> None:
        """An attempt failed; `cause` is the name of a failure class."""
        self._failures[source, cause].inc()

    def object_skipped(self, source: str) -> None:
        """An object could not be read. The cache lacks it, or has it in an older form."""
        self._skipped[(source,)].inc()

    def object_mended(self, source: str) -> None:
        """A field of an object was not of its type; the object was read."""
        self._mended[(source,)].inc()

    def kubelet_refusal(self, reason: str, our_verdict: str) -> None:
        """A kubelet refused a VM's pod with this `status.reason`; `our_verdict` is our verdict on the node."""
        known = reason
        if reason not in KUBELET_REASONS:
            known = "OutOfResource" if reason.startswith("OutOf") else "other"
        self._refusals[known, our_verdict if our_verdict in _VERDICTS else "none"].inc()

    def waited(self, came: bool) -> None:
        """A call waited for objects that its pod names; whether all of them came in time."""
        self._waits[("came" if came else "late",)].inc()

    def cells_write(self, outcome: str) -> None:
        """One try to annotate a VMI; `outcome` is written, in_vain, forbidden or failed."""
        self._writes[(outcome,)].inc()

    def layout_records(self, outcome: str, number: int) -> None:
        """Entries of last layouts: written, dropped, ignored; or requests: forbidden, absent, refused, failed."""
        self._layouts[(outcome,)].inc(number)

    def config_error(self) -> None:
        """A changed configuration was refused; the old one stays in force."""
        self._config_errors.inc()

    def modes(self, default: str, pools: Mapping[str, str]) -> None:
        """The modes in force, by pool name; replaces the earlier ones."""
        self._mode.clear()
        for pool, mode in {"": default, **pools}.items():
            self._mode.labels(pool, mode).set(1)

    # --- read from callbacks at each scrape -------------------------------------------------------

    def ask_sources(self, statuses: Callable[[], Iterable[SourceStatus]]) -> None:
        """Sets the callback for age and state of each source."""
        self._sources = statuses

    def ask_charged(self, count: Callable[[], int]) -> None:
        """Sets the callback for the number of charged pods."""
        self._charged = count

    def ask_stand_ins(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Sets the callback for nodes that are judged by the rules of another kubelet minor, by why."""
        self._stand_ins = counts

    def ask_evacuable(self, numbers: Callable[[], tuple[Evacuable | None, float]]) -> None:
        """Sets the callback for VMs by number of migration targets (None before the first count) and the time now."""
        self._evacuable = numbers

    def render(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type: OpenMetrics for a scraper that names it, else text."""
        if wants_openmetrics(accept):
            page: bytes = openmetrics.generate_latest(self.registry, version=_OPENMETRICS)  # type: ignore[no-untyped-call]
            return page, _OPENMETRICS_TYPE
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4

    def _collect(self) -> Iterator[Metric]:
        age = GaugeMetricFamily(
            f"{METRIC_PREFIX}_source_age_seconds", "Seconds since a source's last line.", labels=["source"]
        )
        state = GaugeMetricFamily(
            f"{METRIC_PREFIX}_source_state", "1 for the state that a source is in.", labels=["source", "state"]
        )
        for status in self._sources():
            if status.age_seconds is not None:
                age.add_metric([status.source], status.age_seconds)
            for each in State:
                state.add_metric([status.source, each], float(each is status.state))
        yield age
        yield state
        yield GaugeMetricFamily(
            f"{METRIC_PREFIX}_charged_pods", "Pods that hold or were promised a placement.", value=self._charged()
        )
        stand_ins = GaugeMetricFamily(
            f"{METRIC_PREFIX}_stand_in_nodes",
            "Nodes whose kubelet's minor is not modelled: they are judged by the rules of the nearest or newest one.",
            labels=["cause"],
        )
        for cause, count in self._stand_ins().items():
            stand_ins.add_metric([cause], count)
        yield stand_ins
        yield from _evacuable_vms(*self._evacuable())
        seconds = HistogramMetricFamily(
            f"{METRIC_PREFIX}_request_seconds", "Seconds from the head of a call to its reply.", labels=["verb"]
        )
        for verb, histogram in self._seconds.items():
            seconds.add_metric([verb], histogram.cumulative(), histogram.total)
        yield seconds
        yield _family("nodes_considered", "Nodes offered in one filter call.", self._nodes)
        yield _family("event_apply_seconds", "Seconds to read and apply one line of a source.", self._apply)
        yield _family("gc_pause_seconds", "Seconds per run of the garbage collector.", self.gc.histogram)
        yield _family("loop_lag_seconds", "Seconds that the event loop woke too late.", self.pulse.histogram)


def _evacuable_vms(numbers: Evacuable | None, now: float) -> Iterator[Metric]:
    if numbers is None:
        return
    vms = GaugeMetricFamily(
        f"{METRIC_PREFIX}_evacuable_vms",
        "Running VMs by the nodes that could take them by live migration: symmetric ones, or all that are possible.",
        labels=["outcome", "targets"],
    )
    for outcome, counts in (("symmetric", numbers.symmetric), ("possible", numbers.possible)):
        for targets, count in counts.items():
            vms.add_metric([outcome, targets], count)
    vms.add_metric(["symmetric", "unknown"], numbers.unknown)
    yield vms
    yield GaugeMetricFamily(
        f"{METRIC_PREFIX}_evacuable_age_seconds",
        "Seconds since the round began in which evacuable targets were counted.",
        value=max(0.0, now - numbers.at),
    )


def _family(name: str, text: str, histogram: PlainHistogram) -> HistogramMetricFamily:
    return HistogramMetricFamily(
        f"{METRIC_PREFIX}_{name}", text, buckets=histogram.cumulative(), sum_value=histogram.total
    )


class _Callbacks:
    """Metrics that are computed at each scrape."""

    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self._collect = collect

    def describe(self) -> list[Metric]:
        """Nothing at registration: the callbacks are not set yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All of them, computed now."""
        return self._collect()
