"""`fastfit explain`: why a pod fits, or does not fit, on each node."""

import sys
from dataclasses import replace

import click

from extender.api.objects import Pod
from extender.cache.pods.pod import is_over
from extender.cli.answer_view import any_node_left, details, summary
from extender.cli.cluster import cluster_of, open_snapshot
from extender.cli.exits import Exit, epilog
from extender.cli.picking import failed_before, is_manifest, pick_pod
from extender.cli.tables import terminal_for
from extender.placement.answer_json import as_json
from extender.placement.explain import explain as explain_pod
from extender.placement.node_totals import NodeTotals
from extender.placement.notes import failure_words
from extender.runtime.settings import settings_for
from extender.snapshot import Snapshot, read_pod

__all__ = ["explain"]


@click.command(
    short_help="Say for every node why a pod fits or not.",
    epilog=epilog(
        "fastfit explain -n vms virt-launcher-db-7x2kp",
        "fastfit explain vms/db -o wide",
        "fastfit explain --snapshot cluster.json pod.yaml -o json",
    ),
)
@click.argument("pod")
@click.option("-n", "--namespace", help="Namespace of the pod; left out: every namespace is searched.")
@click.option(
    "--snapshot", metavar="FILE", help="Answer from a snapshot, or from what kubectl printed (- for standard input)."
)
@click.option("--kubeconfig", metavar="FILE", help="Cluster to ask; left out: the pod's own, then kubectl's default.")
@click.option(
    "--config", metavar="FILE", help="FastfitConfiguration to judge by; left out: the snapshot's, or defaults."
)
@click.option("-o", "--output", type=click.Choice(["table", "wide", "json"]), default="table", show_default=True)
def explain(
    pod: str,
    namespace: str | None,
    snapshot: str | None,
    kubeconfig: str | None,
    config: str | None,
    output: str,
) -> None:
    """Print for every node why POD fits it or not.

    POD is the name of a virt-launcher pod, NAMESPACE/NAME, the name of its VM, or a manifest file. A VM's name means the
    pod that it lives in; where all have ended, the last one, whose end is shown, and the VM's next pod is judged. Fitting nodes come
    first; for each other node follow the rule, the remedy, and what every NUMA zone has free and lacks. A node whose
    allocatable does not hold POD beside all pods that are there is refused too; kube-scheduler's other filters are not judged.
    """
    seen = open_snapshot(snapshot, kubeconfig)
    wanted = _wanted(pod, namespace, seen)
    totals = NodeTotals(seen.nodes(), seen.pods())
    answer = explain_pod(cluster_of(seen, settings_for(config, seen)), wanted, totals)
    failed = failed_before(seen.pods(), wanted) if not wanted.spec.node_name or is_over(wanted) else []
    if failed:
        others = f"{len(failed)} other pods of this VM" if len(failed) > 1 else "1 other pod of this VM"
        last = "" if is_over(wanted) else f", the last: {failure_words(failed[-1])}"
        answer = replace(answer, notes=(*answer.notes, f"{others} failed{last}"))
    if output == "json":
        click.echo(as_json(answer))
    else:
        terminal = terminal_for(sys.stdout)
        wide = output == "wide"
        click.echo(summary(answer, terminal, wide), color=terminal.colour)
        rest = details(answer, terminal, wide)
        if rest:
            click.echo("\n" + rest, color=terminal.colour)
    if not any_node_left(answer):
        raise SystemExit(Exit.NO)


def _wanted(pod: str, namespace: str | None, snapshot: Snapshot) -> Pod:
    if is_manifest(pod):
        return read_pod(pod)
    return pick_pod(snapshot.pods(), pod, namespace, snapshot.vmi_nodes())
