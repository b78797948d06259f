"""A report is as old as its last change, whoever reads it when: neither a list nor a restart makes it young."""

from typing import Any

import msgspec
import pytest

from _fastfit.codes import Code
from extender.api.objects import NodeResourceTopology
from extender.cache.events import Source
from tests.kit.objects import machine, node, nrt
from tests.known_defects.scene import Extender, kubelet_facts, restart, with_json

LIMIT = 300.0
HOST = node("n", kubelet_facts(), machine(pages=0))


def report(version: int = 1) -> NodeResourceTopology:
    """As its exporter wrote it, years ago, and never since; `version` counts its writes."""
    record = nrt("n", [{"cpu": 14}, {"cpu": 16}])
    meta: dict[str, Any] = {
        **msgspec.to_builtins(record.metadata),
        "resourceVersion": str(version),
        "managedFields": [
            {
                "manager": "nfd-topology-updater",
                "operation": "Update",
                "apiVersion": "topology.node.k8s.io/v1alpha2",
                "time": "2020-01-01T00:00:00Z",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:zones": {}},
            }
        ],
    }
    changed: NodeResourceTopology = with_json(record, metadata=meta)
    return changed


@pytest.fixture
def extender() -> Extender:
    """The report came at 0 s; it is 301 s old."""
    extender = Extender(nrt_stale_after=LIMIT)
    extender.now(0.0)
    extender.see(HOST, report())
    extender.now(LIMIT + 1)
    return extender


def test_a_report_grows_old(extender: Extender) -> None:
    """It is young up to the limit."""
    young = Extender(nrt_stale_after=LIMIT)
    young.now(0.0)
    young.see(HOST, report())
    young.now(LIMIT - 1)
    assert young.code("n") is Code.Fits
    assert extender.code("n") is Code.ReportStale


def test_a_report_that_is_written_again_is_young(extender: Extender) -> None:
    """Its numbers may be the same; its exporter lives."""
    extender.see(report(2))
    extender.now(LIMIT + 2)
    assert extender.code("n") is Code.Fits


def test_a_list_in_which_it_was_written_again_makes_it_young(extender: Extender) -> None:
    """The watch was down while it was."""
    extender.relist(Source.NRTS, [report(2)])
    extender.now(LIMIT + 2)
    assert extender.code("n") is Code.Fits


def test_a_list_of_the_same_object_leaves_it_old(extender: Extender) -> None:
    """The watch began anew; the object has the resource version that it had."""
    extender.relist(Source.NRTS, [report()])
    extender.now(LIMIT + 2)
    assert extender.code("n") is Code.ReportStale


def test_a_restart_leaves_it_old(extender: Extender) -> None:
    """The API server tells when the exporter wrote it."""
    new = restart(extender, nodes=[HOST], reports=[report()])
    new.now(20.0)
    assert new.code("n") is Code.ReportStale
