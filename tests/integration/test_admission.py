"""Thirty mixed nodes, 150 VMs at once: the kubelets admit what we place, and refuse much of what the default scheduler
places (bench/admission is the same for more seeds).
"""

import pytest

from tests.kit.admission.run import Outcome, Plan, refusals, run

SEED = 1
#: A seed shows something only if the default scheduler gets at least so many refused on it.
HARD = 50
#: The bar for ours: what counts per zone cannot know.
MOST_REFUSED = 5


@pytest.fixture(scope="module")
def ours(cluster_binary: object) -> Outcome:
    """The hardest reports: those that leave dedicated VMs out, and come 10 s late."""
    return run(Plan(SEED, "fastfit", nrt="nfd", lag=10))


def test_kubelets_refuse_almost_nothing_and_each_refusal_is_explained(ours: Outcome) -> None:
    """At most five, each with the record of what we had decided."""
    assert len(ours.refusals) <= MOST_REFUSED, "\n".join(refusals(ours))
    assert all(refusal.decision for refusal in ours.refusals)
    assert ours.bound == ours.admitted + len(ours.refusals)


def test_nothing_pending_fits(ours: Outcome) -> None:
    """Bound to each node one at a time, no pending VM is admitted where kube-scheduler's sums and KubeVirt's page rule hold."""
    assert ours.pending, "a cluster that takes every VM shows nothing"
    assert ours.probes > 0
    assert ours.pending_fits == []


def test_default_scheduler_gets_many_refused(cluster_binary: object, ours: Outcome) -> None:
    """The same VMs on the same nodes: that is what the difference is measured against."""
    theirs = run(Plan(SEED, "default", nrt="nfd", lag=10))
    assert len(theirs.refusals) >= HARD
    assert theirs.cpus < ours.cpus
