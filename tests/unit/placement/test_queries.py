"""Queries change nothing: neither rows nor assumed placements, not even those that a row would bring."""

import json

from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.placement.decide import fit_of
from extender.placement.evacuable import Evacuability
from extender.placement.explain import explain
from extender.placement.subject import subject_of
from tests.kit.migrations import running, target
from tests.kit.objects import KUBELET_A, machine, node, pod, vmi


def test_queries_leave_a_dirty_cluster_as_it_is() -> None:
    """A node is dirty, and a pod nominated for it waits to be assumed with its next row: no question makes that row."""
    cluster = Cluster()
    cluster.put(Source.NODES, node("a", KUBELET_A, machine()))
    cluster.put(Source.VMIS, vmi("vm"))
    bound = running("vm", "a")
    cluster.put(Source.PODS, bound)
    cluster.make_rows()
    cluster.put(Source.PODS, pod("nominated", 8, 4, nominatedNodeName="a"))
    assert cluster.has_work
    before = cluster.generation, cluster.changes, dict(cluster.assumed), cluster.table.names()
    for record in (pod("new"), target("vm")):
        explain(cluster, record)
        fit_of(cluster, subject_of(cluster, record), json.dumps(["a", "b"]).encode())
    Evacuability(cluster).count(cluster.pods[bound.metadata.uid])
    assert (cluster.generation, cluster.changes, dict(cluster.assumed), cluster.table.names()) == before
    assert cluster.has_work
    cluster.make_rows()
    assert list(cluster.assumed) == ["uid-nominated"]
