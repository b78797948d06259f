"""One run: a new cluster, its nodes, VMs created at once, a scheduler, and the verdicts of the kubelets."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from extender import names
from tests.kit.admission.fleet import fleet
from tests.kit.admission.judge import Judged, PageAccounting, exclusive_cpus, guest_for, verdicts
from tests.kit.admission.pending import Placeable, placeable
from tests.kit.cluster.control_plane import ControlPlane, Scheduler
from tests.kit.cluster.hollow_kubelets import HollowKubelets
from tests.kit.cluster.processes import wait_for
from tests.kit.extender import Extender, deployed_scheduler
from tests.kit.vms import NAMESPACE, adopt, vms

__all__ = ["Outcome", "Plan", "Refusal", "Shortage", "refusals", "run"]

Json = dict[str, Any]

_POD_COUNT: Final = 150
#: Seconds without any change after which the cluster counts as quiet: longer than the scheduler's longest back-off.
_QUIET_S: Final = 12.0
_PATIENCE_S: Final = 600.0
_PODS: Final = f"/api/v1/namespaces/{NAMESPACE}/pods"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `scheduler` is fastfit or default; `nrt` exact or nfd; `lag` in seconds."""

    seed: int
    scheduler: str = "fastfit"
    nrt: str = "exact"
    lag: float = 0
    facts: bool = True
    pods: int = _POD_COUNT


@dataclass(frozen=True, slots=True)
class Refusal:
    """A pod that its kubelet refused. `verdict` is the extender's for the node, `decision` its record of the last call."""

    pod: str
    node: str
    kubelet: Json
    reason: str
    message: str
    verdict: str
    decision: Json


@dataclass(frozen=True, slots=True)
class Shortage:
    """A pod that its kubelet admitted, but whose guest would not start: KubeVirt's page rule (`PageAccounting.obstacle`)."""

    pod: str
    node: str
    obstacle: str
    decision: Json


@dataclass(slots=True)
class Outcome:
    """What came of a plan."""

    plan: Plan
    bound: int = 0
    admitted: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    pending_fits: list[Placeable] = field(default_factory=list)
    probes: int = 0
    unbootable: list[Shortage] = field(default_factory=list)
    cpus: int = 0
    #: seconds until every pod was bound or found to fit nowhere for now
    seconds: float = 0
    #: filter and prioritize calls that it took
    calls: int = 0

    @property
    def by_reason(self) -> Mapping[str, int]:
        """Refused pods by the kubelet's reason."""
        return Counter(refusal.reason for refusal in self.refusals)

    @property
    def by_verdict(self) -> Mapping[str, int]:
        """Refused pods by the extender's verdict on the node."""
        return Counter(refusal.verdict for refusal in self.refusals)


def run(plan: Plan, directory: Path | None = None) -> Outcome:
    """Run a plan on a control plane of its own. `directory` keeps the logs."""
    with ControlPlane(directory=directory) as plane, placing(plane, plan) as (kubelets, scheduler, extender):
        return measure(plane, plan, kubelets, scheduler, extender)


@contextmanager
def placing(plane: ControlPlane, plan: Plan) -> Iterator[tuple[HollowKubelets, Scheduler, Extender | None]]:
    """The fleet of a plan, and its scheduler with the extender where it has one."""
    with plane.hollow_kubelets(fleet(plan.seed), nrt=plan.nrt, nrt_lag=plan.lag, facts=plan.facts) as kubelets:
        if plan.scheduler == "default":
            with plane.scheduler() as scheduler:
                yield kubelets, scheduler, None
            return
        plane.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.SCHEDULER_NAME}})
        settings = {"debug": {"decisions": 10_000}}
        with Extender(plane.admin_kubeconfig, plane.home / f"extender-{plan.seed}", settings) as extender:
            config = deployed_scheduler(
                extender.url, plane.admin_kubeconfig, plane.home / f"scheduler-{plan.seed}.yaml"
            )
            with plane.scheduler(config) as scheduler:
                yield kubelets, scheduler, extender


def measure(
    plane: ControlPlane, plan: Plan, kubelets: HollowKubelets, scheduler: Scheduler, extender: Extender | None
) -> Outcome:
    """Create the VMs, wait until nothing moves, and judge. Stops the scheduler."""
    plane.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    began = time.monotonic()
    instances = create(plane, plan)
    last_change = wait_quiet(plane, scheduler)
    scheduler.stop()
    outcome = Outcome(plan, seconds=last_change - began)
    if extender is not None:
        outcome.calls = int(extender.metric("fastfit_requests_total"))
    pods = {f"{NAMESPACE}/{pod['metadata']['name']}": pod for pod in plane.api.items(_PODS)}
    judged = verdicts(kubelets.state())
    outcome.bound = sum("nodeName" in pod["spec"] for pod in pods.values())
    outcome.admitted = sum(one.admitted for one in judged)
    outcome.cpus = exclusive_cpus(judged)
    configs = {node["name"]: node["kubelet"] for node in fleet(plan.seed)}
    outcome.refusals = [_explained(one, configs[one.node], extender) for one in judged if not one.admitted]
    outcome.pending = sorted(name for name, pod in pods.items() if "nodeName" not in pod["spec"])
    pages, shortages = _page_accounting(plan.seed, judged, pods, instances)
    outcome.unbootable = [Shortage(*short, _decision(*short[:2], extender)) for short in shortages]
    waiting = [pods[name] for name in outcome.pending]
    outcome.pending_fits, outcome.probes = placeable(plane, kubelets, pages, waiting, list(pods.values()), instances)
    return outcome


def create(plane: ControlPlane, plan: Plan) -> dict[str, Json]:
    """Create the VMs of a plan, all VMIs first; returns the VMI of each pod by "namespace/name" of the pod."""
    name = "default-scheduler" if plan.scheduler == "default" else names.SCHEDULER_NAME
    pairs = vms(plan.seed, plan.pods, name)
    created = plane.api.create_all([instance for instance, _ in pairs], parallel=16)
    for (_, pod), instance in zip(pairs, created, strict=True):
        adopt(pod, instance["metadata"]["uid"])
    plane.api.create_all([pod for _, pod in pairs], parallel=16)
    return {
        f"{NAMESPACE}/{pod['metadata']['name']}": instance for (_, pod), instance in zip(pairs, created, strict=True)
    }


def wait_quiet(plane: ControlPlane, scheduler: Scheduler) -> float:
    """Wait until every bound pod is judged and nothing changes any more; the time of the last change."""
    seen: object = None
    changed = time.monotonic()

    def quiet() -> bool:
        nonlocal seen, changed
        scheduler.process.check()
        now: list[tuple[str, str, str]] = []
        all_judged = True
        for pod in plane.api.items(_PODS):
            node, phase = pod["spec"].get("nodeName", ""), pod["status"]["phase"]
            conditions = {one["type"]: one for one in pod["status"].get("conditions", ())}
            all_judged &= phase != "Pending" if node else "PodScheduled" in conditions
            now.append((pod["metadata"]["name"], node, phase))
        if now != seen:
            seen, changed = now, time.monotonic()
        return all_judged and time.monotonic() - changed > _QUIET_S

    wait_for(quiet, "a quiet cluster", _PATIENCE_S, pause=0.5)
    return changed


def refusals(outcome: Outcome) -> Iterable[str]:
    """Why each pod that fastfit placed was refused or cannot boot, and which pending pods fit."""
    if outcome.plan.scheduler == "fastfit":
        for refusal in outcome.refusals:
            yield f"  refused: {refusal.pod} on {refusal.node}: {refusal.reason}: {refusal.message}"
            yield f"    kubelet: {_settings(refusal.kubelet)}"
            yield f"    we said {refusal.verdict}: {refusal.decision or 'no record'}"
        for short in outcome.unbootable:
            yield f"  no pages: {short.pod} on {short.node}: {short.obstacle}"
            yield f"    we said: {short.decision or 'no record'}"
    for hit in outcome.pending_fits:
        yield f"  pending, but fits: {hit.pod} on {hit.node}"


def _explained(one: Judged, kubelet: Json, extender: Extender | None) -> Refusal:
    decision = _decision(one.pod, one.node, extender)
    return Refusal(one.pod, one.node, kubelet, one.reason, one.message, _verdict(decision), decision)


def _decision(pod: str, node: str, extender: Extender | None) -> Json:
    """The last decision that ranked this node best for the pod."""
    decisions = extender.decisions(pod) if extender is not None else []
    return next((decision for decision in decisions if decision["best"] == node), {})


def _verdict(decision: Json) -> str:
    """What a decision said of the node that it ranked best: fitting nodes stand before unknown ones."""
    if not decision:
        return "none"
    return "fits" if decision["counts"].get("Fits") else "unknown"


def _page_accounting(
    seed: int, judged: list[Judged], pods: Mapping[str, Json], instances: Mapping[str, Json]
) -> tuple[dict[str, PageAccounting], list[tuple[str, str, str]]]:
    """The pages of every node after all guests have started, and the guests that could not start: pod, node, why."""
    pages = {node["name"]: PageAccounting(node) for node in fleet(seed)}
    shortages: list[tuple[str, str, str]] = []
    for one in judged:
        if not one.active:
            continue
        guest = guest_for(instances[one.pod])
        if obstacle := pages[one.node].obstacle(guest, one.holdings):
            shortages.append((one.pod, one.node, obstacle))
        pages[one.node].take(pods[one.pod], guest, one.holdings)
    return pages, shortages


def _settings(kubelet: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in kubelet.items() if value)
