"""`fastfit targets`: where a running VM can migrate to, and where its guest cells would be on each node."""

import sys
from dataclasses import replace

import click

from extender.api.objects import Pod
from extender.cache.cluster import Cluster
from extender.cache.nodes.synthetic_machine import page_bytes
from extender.cache.pods.pod import is_over
from extender.cli.answer_view import VERDICT_COLOURS
from extender.cli.cluster import cluster_of, open_snapshot
from extender.cli.exits import Exit, epilog
from extender.cli.picking import pick_pod
from extender.cli.tables import Cell, Column, Terminal, clean, render, terminal_for, wrap
from extender.errors import SnapshotError
from extender.kubevirt.devices import immovable
from extender.kubevirt.launcher_pod import controlling_vmi, is_launcher
from extender.kubevirt.migration.target_pod import target_pod
from extender.placement.answer_json import as_json
from extender.placement.answers import EvacuableAnswer, NodeAnswer, PodAnswer
from extender.placement.evacuable import Evacuability
from extender.placement.explain import explain
from extender.placement.node_totals import NodeTotals
from extender.placement.outcomes import Outcome
from extender.runtime.settings import settings_for
from extender.snapshot import Snapshot

__all__ = ["targets"]


@click.command(
    short_help="Say for every node what a live migration of a VM would come to.",
    epilog=epilog(
        "fastfit targets -n vms db",
        "fastfit targets --snapshot cluster.json vms/db",
        "fastfit targets vms/db -o json",
    ),
)
@click.argument("vm")
@click.option("-n", "--namespace", help="Namespace of the VM; left out: every namespace is searched.")
@click.option(
    "--snapshot", metavar="FILE", help="Answer from a snapshot, or from what kubectl printed (- for standard input)."
)
@click.option("--kubeconfig", metavar="FILE", help="Cluster to ask; left out: the pod's own, then kubectl's default.")
@click.option(
    "--config", metavar="FILE", help="FastfitConfiguration to judge by; left out: the snapshot's, or defaults."
)
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def targets(
    vm: str, namespace: str | None, snapshot: str | None, kubeconfig: str | None, config: str | None, output: str
) -> None:
    """Print for every node what a live migration of the running VM would come to there.

    The target's pod is made as KubeVirt would make it now. Guest cells are fixed since the VM's boot: a node on which
    its vCPUs would lie in more NUMA zones than it has cells is refused by libvirt, one with another split runs it
    slower. A node whose allocatable does not hold the target beside all pods that are there is refused too; kube-scheduler's
    other filters are not judged.
    """
    seen = open_snapshot(snapshot, kubeconfig)
    cluster = cluster_of(seen, settings_for(config, seen))
    source = _running(cluster, seen, vm, namespace)
    uid = controlling_vmi(source)
    guest = cluster.vms.guest(uid)
    target = target_pod(source, guest, cluster.vms.run_of(uid).plugged, cluster.vms.kubevirt)
    totals = NodeTotals(seen.nodes(), seen.pods())
    answer = explain(cluster, target, totals)
    entry = cluster.pods.get(source.metadata.uid)
    if entry is not None:
        answer = replace(answer, evacuable=Evacuability(cluster).count(entry, totals.short(target)))
    if output == "json":
        click.echo(as_json(answer))
    else:
        terminal = terminal_for(sys.stdout)
        click.echo(_page(answer, source, guest.pages if guest is not None else "", terminal), color=terminal.colour)
    fixed = guest is not None and immovable(guest, cluster.vms.kubevirt)
    if fixed or not any(node.verdict != "refused" and not _is_source(node) for node in answer.nodes):
        raise SystemExit(Exit.NO)


def _running(cluster: Cluster, seen: Snapshot, wanted: str, namespace: str | None) -> Pod:
    """The virt-launcher pod in which the VM runs; during a migration, the one on the VMI's node. Raises
    SnapshotError.
    """
    found = [pod for pod in seen.pods() if is_launcher(pod) and pod.spec.node_name and not is_over(pod)]
    runs = [cluster.vms.run_of(controlling_vmi(pod)).node for pod in found]
    found = [pod for pod, node in zip(found, runs, strict=True) if node in ("", pod.spec.node_name)]
    if not found:
        raise SnapshotError("no VM runs: there is nothing to migrate")
    pod = pick_pod(found, wanted, namespace, seen.vmi_nodes())
    ends = pod.metadata.deletion_timestamp or controlling_vmi(pod) in seen.ending_vmis()
    if ends:
        raise SnapshotError(
            f"the VM in pod {pod.metadata.namespace}/{pod.metadata.name} is ending: KubeVirt migrates it no more"
        )
    return pod


def _is_source(node: NodeAnswer) -> bool:
    return node.migration is not None and node.migration.outcome == Outcome.SOURCE_NODE


def _page(answer: PodAnswer, source: Pod, pages: str, terminal: Terminal) -> str:
    lines = [terminal.paint(clean(f"Pod {answer.namespace}/{source.metadata.name} on {source.spec.node_name}"), "bold")]
    lines += [wrap(f"its target asks for {container}", terminal, "  ") for container in answer.demand]
    lines += [wrap(f"note: {note}", terminal, "  ") for note in answer.notes]
    lines.append(wrap(f"not judged: {answer.not_judged}", terminal, "  "))
    if answer.evacuable is not None:
        lines.append(f"  evacuable targets now: {_numbers(answer.evacuable)}")
    columns = [
        Column("NODE"),
        Column("VERDICT"),
        Column("OUTCOME"),
        Column("CELLS THEN"),
        Column("NOW"),
        Column("PAGES FREE"),
        Column("LOCAL", right=True),
        Column("SCORE", right=True),
        Column("WHY", wraps=True),
    ]
    return "\n".join([*lines, "", render(columns, [_row(node, pages) for node in answer.nodes], terminal)])


def _numbers(found: EvacuableAnswer) -> str:
    if found.immovable:
        return f"none: the VM cannot migrate at all ({found.immovable})"
    symmetric = f"{found.symmetric} symmetric, " if found.symmetric is not None else ""
    return f"{symmetric}{found.possible} possible (counted {found.age_seconds:g} s ago)"


def _row(node: NodeAnswer, pages: str) -> list[str | Cell]:
    """`pages`: resource name of the guest's huge pages."""
    size = pages.removeprefix("hugepages-")
    move = node.migration
    free = [
        f"{zone.id}:{zone.memory_free[pages] // page_bytes(size)}x{size}"
        for zone in node.per_zone
        if move is not None and zone.id in move.zones_now and pages in zone.memory_free
    ]
    source = _is_source(node)
    return [
        node.node,
        Cell("" if source else node.verdict, VERDICT_COLOURS.get(node.verdict, "")),
        move.outcome if move is not None else Outcome.NOT_NUMA,
        "+".join(map(str, move.cells_then)) if move is not None else "",
        " ".join(f"{z}:{n}" for z, n in zip(move.zones_now, move.cells_now, strict=True)) if move is not None else "",
        " ".join(free),
        f"{move.local:.0%}" if move is not None and move.local is not None else "",
        "" if source or node.verdict == "refused" else str(node.score),
        _why(node, source=source),
    ]


def _why(node: NodeAnswer, *, source: bool) -> str:
    """What becomes of the migration, and whether the VM can grow there as far as its hotplug goes."""
    text = node.migration.text if node.migration is not None else node.text
    return f"{text}; the node {node.headroom}" if node.headroom and not source else text
