"""`fastfit admit`: what the kubelet of one node does with pods, step by step."""

import difflib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import click

from extender.api.objects import Pod
from extender.cache.pods.pod import is_over
from extender.cli.admission_view import Admission, NodeFacts, Sums, as_json, as_text, sum_text
from extender.cli.cluster import cluster_of, open_snapshot
from extender.cli.exits import Exit, epilog
from extender.cli.node_files import stated_node
from extender.cli.picking import is_manifest, pick_pod
from extender.cli.tables import terminal_for
from extender.errors import BadObject, FastfitError, SnapshotError
from extender.kubelet.admission import Kubelet
from extender.kubelet.allocatable import node_allocatable
from extender.kubelet.pod import PodDemand, pod_demand
from extender.kubelet.predicates import Allocatable, Used, is_critical, is_extended, pod_requests, shortages, used_by
from extender.kubelet.results import Admitted, Refused
from extender.kubelet.trace import Step
from extender.kubelet.versions import NEWEST, OLDEST
from extender.reasons import REASONS
from extender.runtime.settings import settings_for
from extender.snapshot import Snapshot, read

__all__ = ["admit"]

_VERSIONS: Final = tuple(f"1.{minor}" for minor in range(int(OLDEST[2:]), int(NEWEST[2:]) + 1))


@dataclass(frozen=True, slots=True)
class _Node:
    """The node's kubelet with its pods, and the facts that are printed.

    `pods`: every pod that the sums count, by UID; those that hold nothing of a zone are among them.
    """

    kubelet: Kubelet
    facts: NodeFacts
    allocatable: Allocatable
    pods: dict[str, Pod] = field(default_factory=dict)


@click.command(
    short_help="Play one node's kubelet: what would it do with a pod, and why.",
    epilog=epilog(
        "fastfit admit --machine node.json --pod virt-launcher-db.yaml",
        "fastfit admit --machine machine.json --kubelet /var/lib/kubelet/config.yaml --pod a.yaml --pod b.yaml",
        "fastfit admit --snapshot cluster.json --node xeon-1 --pod vms/db",
        "fastfit admit --snapshot cluster.json --node xeon-1 --remove vms/old --pod vms/db -o json",
    ),
)
@click.option(
    "--machine",
    metavar="FILE",
    help="The node's hardware: an object with `machine` and `kubelet`, or the machine alone, as in the annotation.",
)
@click.option(
    "--kubelet",
    metavar="FILE",
    help="The kubelet's configuration: its KubeletConfiguration, its answer at /configz, OpenShift's KubeletConfig, or the "
    "fields that decide admission.",
)
@click.option("--version", type=click.Choice(_VERSIONS), help=f"Kubernetes minor of a --machine; left out: {NEWEST}.")
@click.option(
    "--snapshot", metavar="FILE", help="Take node, and what runs there, from a snapshot (- for standard input)."
)
@click.option("--node", metavar="NAME", help="Node of the snapshot.")
@click.option("--config", metavar="FILE", help="FastfitConfiguration to read the snapshot by; left out: its own.")
@click.option(
    "--remove", metavar="POD", multiple=True, help="Pod of the snapshot that is gone from the node first; repeatable."
)
@click.option(
    "--pod",
    "pods",
    metavar="POD",
    multiple=True,
    required=True,
    help="Manifest with one or more pods, or the name of a pod of the snapshot; repeatable. Admitted in this order.",
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def admit(
    machine: str | None,
    kubelet: str | None,
    version: str | None,
    snapshot: str | None,
    node: str | None,
    config: str | None,
    remove: Sequence[str],
    pods: Sequence[str],
    output: str,
) -> None:
    """Play the kubelet of one node: hints of each manager, the merge, the decision, CPUs and memory, or the refusal.

    The node comes from --machine (and --kubelet), empty, or from --snapshot and --node with the pods that run there.
    After its managers the kubelet sums up what all pods of the node request (OutOfcpu, OutOfmemory, OutOfpods, ...).
    What a refused pod was given until then is given back before the next pod, as in the kubelet. Node selectors,
    affinity, taints and host ports, which the kubelet checks after the sums, are not judged.
    """
    if (machine is None) == (snapshot is None):
        raise click.UsageError("name the node either with --machine FILE or with --snapshot FILE --node NAME")
    if (snapshot is None) != (node is None):
        raise click.UsageError("--snapshot and --node belong together")
    seen: Snapshot | None = None
    if machine is not None:
        if remove or config:
            raise click.UsageError("--remove and --config need a --snapshot")
        stated = stated_node(machine, kubelet, version or NEWEST)
        facts = NodeFacts("", (), allocatable=stated.allocatable, allocatable_notes=stated.allocatable_notes)
        place = _Node(stated.kubelet, facts, stated.allocatable)
    else:
        if kubelet or version:
            raise click.UsageError("--kubelet and --version need a --machine; a snapshot knows its own")
        assert node is not None
        seen = open_snapshot(snapshot, None)
        place = _in_snapshot(seen, node, config)
        for name in remove:
            gone = _held(place, pick_pod(seen.pods(), name, vmi_nodes=seen.vmi_nodes()), name)
            place.kubelet.remove(gone)
            place.pods.pop(gone, None)
    wanted = [pod for argument in pods for pod in _pods(argument, seen)]
    before = place.kubelet.clone()
    played = list(_play(place, wanted))
    if output == "json":
        click.echo(as_json(place.facts, before, played))
    else:
        terminal = terminal_for(sys.stdout)
        click.echo(as_text(place.facts, before, played, terminal), color=terminal.colour)
    if any(isinstance(admission.answer, Refused) for admission in played):
        raise SystemExit(Exit.NO)


def _play(place: _Node, pods: Sequence[Pod]) -> Iterator[Admission]:
    kubelet = place.kubelet
    for number, pod in enumerate(pods, 1):
        title = f"{pod.metadata.namespace or 'default'}/{pod.metadata.name or f'pod-{number}'}"
        try:
            demand = pod_demand(pod)
            pod_requests(pod)
        except BadObject as error:
            raise BadObject(f"pod {title}: {error}") from None
        # Manifests have no UID, but each is a pod of its own.
        demand = replace(demand, uid=demand.uid or f"{title}#{number}")
        there = demand.uid in kubelet.placements()
        kubelet.remove(demand.uid)
        place.pods.pop(demand.uid, None)
        steps: list[Step] = []
        answer = kubelet.admit(demand, trace=steps.append)
        sums = None
        if isinstance(answer, Refused):
            outlook = kubelet.outlook(demand, answer)
        else:
            used = used_by(place.pods.values())
            sums = _sums(place, pod, demand, used)
            outlook = ""
            if sums.short:
                # The managers have allocated; the pod is Failed at once, so the next sweep frees what it was given.
                kubelet.remove(demand.uid)
                answer, outlook = _out_of(sums, answer), _sums_outlook(sums)
            else:
                place.pods[demand.uid] = pod
        yield Admission(title, demand, tuple(steps), answer, outlook, ran_there=there, sums=sums)


# --- the sums --------------------------------------------------------------------------------------------------------


def _sums(place: _Node, pod: Pod, demand: PodDemand, used: Used) -> Sums:
    """The kubelet's predicates on the pod, to which the managers have given everything that it asks for."""
    held: dict[str, int] = {}
    if any(container.devices for container in demand.containers):
        for zone in place.kubelet.counts().zones:
            for name, amount in zone.devices.items():
                held[name] = held.get(name, 0) + amount.total - amount.free
    requests = {"pods": 1, **pod_requests(pod)}
    allocatable = place.allocatable.with_devices(held)
    return Sums(requests, used, allocatable, shortages(pod, allocatable, used), is_critical(pod))


def _out_of(sums: Sums, given: Admitted) -> Refused:
    first = sums.short[0]
    rules = [sum_text(short) for short in sums.short]
    if is_extended(first.resource):
        rules.append("if a device plugin has it, its Device Manager refuses before the sums: UnexpectedAdmissionError")
    return Refused(first.reason, first.message, "; ".join(rules), given.containers)


def _sums_outlook(sums: Sums) -> str:
    never = [short.resource for short in sums.short if short.never]
    if never:
        return f"not even on the empty node: its {', '.join(never)} is less than the pod requests"
    return "not now: the empty node would take the pod"


# --- the node --------------------------------------------------------------------------------------------------------


def _in_snapshot(seen: Snapshot, name: str, config: str | None) -> _Node:
    cluster = cluster_of(seen, settings_for(config, seen))
    state = cluster.node(name)
    if state is None:
        names = cluster.table.names()
        close = difflib.get_close_matches(name, names, n=1)
        known = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(names)[:5]) or 'none'}"
        raise SnapshotError(f"node {name!r} is not there; {known}")
    if state.ledger.kubelet is None:
        why = state.ledger.problem or state.facts.detail or REASONS[state.facts.code].text
        raise BadObject(f"node {name}: its kubelet cannot be played: {why}")
    notes = []
    if state.facts.detail:
        notes.append(f"{REASONS[state.facts.code].text}: {state.facts.detail}")
    if not state.facts.stated:
        notes.append("its machine is not stated: zones and counts are reported, cores and CPU numbers are assumed")
    held = {f"{pod.namespace}/{pod.name}": pod.uid for pod in state.ledger.pods()}
    allocatable = _allocatable(seen, name)
    unstated = sorted(allocatable.unknown)
    unjudged = (f"not in the node's status.allocatable, and not judged: {', '.join(unstated)}",) if unstated else ()
    facts = NodeFacts(name, tuple(notes), held, allocatable, unjudged)
    pods = {pod.metadata.uid: pod for pod in seen.pods() if pod.spec.node_name == name and not is_over(pod)}
    return _Node(state.ledger.kubelet.clone(), facts, allocatable, pods)


def _allocatable(seen: Snapshot, name: str) -> Allocatable:
    reported = next((node.status.allocatable for node in seen.nodes() if node.metadata.name == name), None)
    try:
        return node_allocatable(reported)
    except BadObject as fault:
        raise BadObject(f"node {name}: {fault}") from None


def _held(place: _Node, pod: Pod, name: str) -> str:
    if pod.metadata.uid not in place.facts.pods.values() and pod.metadata.uid not in place.pods:
        raise FastfitError(f"--remove {name!r}: node {place.facts.name} holds nothing of that pod")
    return pod.metadata.uid


# --- the pods --------------------------------------------------------------------------------------------------------


def _pods(argument: str, seen: Snapshot | None) -> list[Pod]:
    """The pods of a manifest, in its order, or the named pod of the snapshot."""
    if seen is not None and not is_manifest(argument):
        return [pick_pod(seen.pods(), argument, vmi_nodes=seen.vmi_nodes())]
    manifest = read(argument)
    pods = manifest.pods()
    if not pods:
        found = ", ".join(sorted(manifest.skipped)) or "nothing"
        raise SnapshotError(f"{argument}: holds no Pod (found: {found}); save it with kubectl get pod NAME -o yaml")
    return pods
