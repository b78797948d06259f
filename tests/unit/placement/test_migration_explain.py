"""The rows of tests/kit/migration_rows.py through the whole picture: events in, then what `explain` says of the target.

There the twin and the guest model are asked one by one; here nodes, pods and VMI come as API objects, the cells of the
boot are what the picture learned, and the kernel's verdict must agree with the exact outcome.
"""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from extender.api.objects import Migration, Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.cli.answer_view import details, summary
from extender.cli.tables import Terminal
from extender.kubevirt.launcher_pod import PodRole
from extender.placement.answers import NodeAnswer
from extender.placement.outcomes import Outcome
from tests.kit import migration_rows as rows
from tests.kit.migration_cluster import BY_ID, FAILURES, WORDS, asked, at, cluster_of_row, put_host, record_of
from tests.kit.migration_rows import Host, Row
from tests.kit.migrations import target
from tests.kit.objects import pod, vmi
from tests.kit.verbs import explained


@pytest.mark.parametrize("row", rows.ALL, ids=lambda row: row.id)
def test_row(row: Row) -> None:
    """Outcome, cells then and now and local vCPUs are the row's; exactly the certain failures are refused."""
    found = at(asked(cluster_of_row(row), row.vm))
    assert found.migration is not None
    assert found.migration.outcome is WORDS[row.expected], found.migration.text
    assert (found.verdict == "refused") == (found.migration.outcome in FAILURES), found.code
    if row.cells is not None:
        assert (len(found.migration.cells_then), len(found.migration.cells_now)) == row.cells
    if row.share is not None:
        assert found.migration.local == pytest.approx(float(row.share))


@pytest.mark.parametrize("row", rows.ALL, ids=lambda row: row.id)
def test_strict_passes_only_symmetric_targets(row: Row) -> None:
    """Under the policy strict a node passes if and only if the outcome is symmetric."""
    found = at(asked(cluster_of_row(row), row.vm, policy="strict"))
    assert found.migration is not None
    assert (found.verdict == "fits") == (found.migration.outcome is Outcome.SYMMETRIC), found.code


@pytest.mark.parametrize("row", rows.ALL, ids=lambda row: row.id)
def test_off_leaves_the_kubelets_rules(row: Row) -> None:
    """Under the policy off only the kubelet refuses."""
    found = at(asked(cluster_of_row(row), row.vm, policy="off"))
    assert (found.verdict == "refused") == (row.expected is rows.Outcome.KUBELET_REFUSES), found.code


def test_m3_m5_codes() -> None:
    """The refusals have codes of their own."""
    assert at(asked(cluster_of_row(BY_ID["M3"]), BY_ID["M3"].vm)).code == "MoreZonesThanCells"
    assert at(asked(cluster_of_row(BY_ID["M5"]), BY_ID["M5"].vm)).code == "ZonePagesShort"
    assert at(asked(cluster_of_row(BY_ID["M2"]), BY_ID["M2"].vm, policy="strict")).code == "NotSymmetric"


def test_ranking_of_m1_m2_m4() -> None:
    """Symmetric, then fewer cells that keep all vCPUs local, then another split."""
    row = BY_ID["M1"]
    hosts = {
        "other": BY_ID["M2"].target,
        "fewer": BY_ID["M4"].target,
        "same": row.target,
    }
    answer = asked(cluster_of_row(row, **hosts), row.vm)
    assert [found.node for found in answer.nodes if not _is_source(found)] == ["same", "fewer", "other"]


def test_m7_no_node_passes() -> None:
    """M7: every node refuses for its own reason, so the target stays Pending with these."""
    hosts = {
        "split": rows.begun("none"),
        "kubelet": Host("single-numa-node", (10, 22)),
        "pages": replace(rows.idle("best-effort"), pages=(8, 8)),
    }
    row = BY_ID["large|none M3"]
    answer = asked(cluster_of_row(row, **hosts), row.vm)
    outcomes = {found.node: found.migration.outcome for found in answer.nodes if found.migration is not None}
    assert outcomes == {
        "source": Outcome.SOURCE_NODE,
        "split": Outcome.MORE_CELLS,
        "kubelet": Outcome.KUBELET_REFUSES,
        "pages": Outcome.PAGES_SHORT,
    }
    assert all(found.verdict == "refused" for found in answer.nodes if found.node != "source")


def test_m8_farther_zones_rank_behind() -> None:
    """M8: equal layouts; the one whose zones lie farther apart comes second."""
    row = BY_ID["M8"]
    answer = asked(cluster_of_row(row, far=row.target, near=row.source), row.vm)
    assert [found.node for found in answer.nodes][:2] == ["near", "far"]


def test_m9_is_not_numas_business() -> None:
    """M9: a node that KubeVirt itself keeps VMs away from is not blamed on NUMA."""
    row = BY_ID["M1"]
    cluster = cluster_of_row(row)
    put_host(cluster, "sick", row.target, **{"kubevirt.io/schedulable": "false"})
    found = at(asked(cluster, row.vm), "sick")
    assert found.migration is not None
    assert found.migration.outcome is Outcome.NOT_NUMA


def test_m10_source_node() -> None:
    """M10: the node where the VM runs is named as such, last, and takes no part in the ranking."""
    row = BY_ID["small|none M1"]
    answer = asked(cluster_of_row(row), row.vm)
    assert answer.nodes[-1].node == "source"
    assert answer.nodes[-1].migration is not None
    assert answer.nodes[-1].migration.outcome is Outcome.SOURCE_NODE
    assert answer.nodes[-1].score == 0
    assert answer.nodes[0].score == 10


def test_the_source_is_found_in_order() -> None:
    """The pod that the migration names; then the VMI's node; then the label that KubeVirt copies."""
    row = BY_ID["small|none M1"]
    cluster = cluster_of_row(row)
    record = target("vm", 9, 16, source="labelled")
    record = msgspec.convert(
        {
            **msgspec.to_builtins(record),
            "metadata": {
                **msgspec.to_builtins(record.metadata),
                "annotations": {"kubevirt.io/migrationJobName": "job"},
            },
        },
        type(record),
    )

    def source() -> str:
        return next((found.node for found in explained(cluster, record).nodes if _is_source(found)), "")

    job = {"metadata": {"name": "job", "namespace": "vms", "uid": "job-1"}}
    put_host(cluster, "labelled", row.target)
    assert source() == "source"
    cluster.put(Source.VMIS, vmi("vm"))
    assert source() == "labelled"
    job["status"] = {"migrationState": {"sourcePod": "vm"}}  # type: ignore[assignment]
    cluster.put(Source.MIGRATIONS, msgspec.convert(job, Migration))
    assert source() == "source"
    job["metadata"]["uid"] = "an older one"
    cluster.put(Source.MIGRATIONS, msgspec.convert(job, Migration))
    assert source() == "labelled"


def _is_source(found: NodeAnswer) -> bool:
    return found.migration is not None and found.migration.outcome is Outcome.SOURCE_NODE


def test_unknown_cells_refuse_nothing() -> None:
    """A VM that came by migration before we looked: every node stays, and the answer says why."""
    row = BY_ID["M3"]
    cluster = Cluster()
    cluster.put(Source.VMIS, record_of(row.vm))
    put_host(cluster, "target", row.target)
    put_host(cluster, "whole", row.source)
    cluster.make_rows()
    answer = asked(cluster, row.vm)
    assert answer.kind == PodRole.MIGRATION_TARGET.value
    assert [found.node for found in answer.nodes] == ["whole", "target"]
    assert {found.verdict for found in answer.nodes} == {"fits"}
    assert {found.migration.outcome for found in answer.nodes if found.migration} == {Outcome.NOT_KNOWN}
    assert any("not known" in note for note in answer.notes)


def test_an_invalid_policy_is_said() -> None:
    """It counts as prefer: a split that strict would refuse passes, with a note."""
    row = BY_ID["M2"]
    answer = asked(cluster_of_row(row), row.vm, policy="always")
    assert at(answer).verdict == "fits"
    assert any("'always'" in note for note in answer.notes)


def test_without_passthrough_cells_do_not_matter() -> None:
    """A dedicated guest that does not see NUMA is judged by the kubelet's rules alone."""
    row = BY_ID["M3"]
    cluster = cluster_of_row(row)
    made: dict[str, Any] = msgspec.to_builtins(record_of(row.vm))
    del made["spec"]["domain"]["cpu"]["numa"]
    cluster.put(Source.VMIS, msgspec.convert(made, Vmi))
    found = at(asked(cluster, row.vm))
    assert found.verdict == "fits"
    assert found.migration is not None
    assert found.migration.outcome is Outcome.NOT_NUMA


def test_the_pages_of_explain_show_it() -> None:
    """The table has the outcome of every node, the details its arithmetic; other pods have no such column."""
    row = BY_ID["M3"]
    cluster = cluster_of_row(row)
    answer = asked(cluster, row.vm)
    assert "MIGRATION" in summary(answer, Terminal())
    assert "more cells" in summary(answer, Terminal())
    assert "migration: more cells; 1 cell of 8 vCPUs then, 5+3 vCPUs on zones 0,1 now" in details(answer, Terminal())
    assert "MIGRATION" not in summary(explained(cluster, pod("new", 9, 16)), Terminal())
