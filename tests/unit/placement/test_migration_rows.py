"""The rows of tests/kit/migration_rows.py: what the twin and the guest model make of them, KubeVirt's code, and libvirt."""

from dataclasses import replace

import pytest

from extender.kubelet.results import TOPOLOGY, UNEXPECTED, Refused
from extender.kubevirt.guest.domain import Domain
from extender.kubevirt.migration.target_domain import MEMNODE_REFUSAL
from tests.conformance.kubevirt.comparison import compare
from tests.kit.golden import size_of
from tests.kit.libvirt.domain_xml import domain_xml
from tests.kit.libvirt.fixtures import Judge
from tests.kit.migration_rows import (
    ALL,
    BEST,
    DOCUMENTED,
    ELSEWHERE,
    LARGE,
    NEVER_STARTS,
    NONE,
    RESTRICTED,
    ROWS,
    SINGLE,
    SMALL,
    XL,
    Host,
    Outcome,
    Row,
    Vm,
    begun,
    golden_case,
    idle,
    outcome,
    target_domain,
)
from tests.kit.oracle.kubevirt.process import KubevirtOracle


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.id)
def test_migration_row(row: Row) -> None:
    """The outcome, the cells then and now, and how many vCPUs keep their memory near."""
    found, cells, share = outcome(row)
    assert found is row.expected, (cells, golden_case(row).get("target"))
    assert cells == row.cells
    if row.share is not None:
        assert share == row.share


@pytest.mark.parametrize(("vm", "host", "reason"), [row[1:] for row in NEVER_STARTS], ids=[r[0] for r in NEVER_STARTS])
def test_never_starts(vm: Vm, host: Host, reason: str) -> None:
    """The kubelet of an idle node refuses, and so does that of every equal one: there is nothing to migrate."""
    answer = host.admit(vm)
    assert isinstance(answer, Refused)
    assert answer.reason == reason


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.expected is Outcome.KUBELET_REFUSES], ids=lambda row: row.id
)
def test_refusals_have_the_kubelets_reason(row: Row) -> None:
    """M6: the pod fails with TopologyAffinityError, and for ever."""
    answer = row.target.admit(row.vm)
    assert isinstance(answer, Refused)
    assert answer.reason == TOPOLOGY


def test_best_effort_veto() -> None:
    """S12 under best-effort: no wish is enforced there, but the Memory Manager refuses all the same."""
    answer = Host(BEST, memory_manager=True).admit(XL)
    assert isinstance(answer, Refused)
    assert answer.reason == UNEXPECTED


def test_m7_no_node_passes() -> None:
    """M7: a large VM among nodes that all fail in their own way; one that is begun under best-effort would do."""
    targets = [begun(NONE), Host(SINGLE, (10, 22)), Host(BEST, (10, 22)), replace(idle(BEST), pages=(8, 8))]
    rows = [Row(f"M7-{number}", LARGE, idle(NONE), target, Outcome.SYMMETRIC) for number, target in enumerate(targets)]
    assert [outcome(row)[0] for row in rows] == [
        Outcome.MORE_CELLS,
        Outcome.KUBELET_REFUSES,
        Outcome.MORE_CELLS,
        Outcome.PAGES_SHORT,
    ]
    assert outcome(replace(rows[0], target=begun(BEST)))[0] is Outcome.SYMMETRIC


def test_m8_distances_differ() -> None:
    """M8: the zones that the guest's cells lie on are farther apart on the target, and the guest is not told."""
    row = next(row for row in ROWS if row.id == "M8")
    case = golden_case(row)
    moved = target_domain(case)
    assert isinstance(moved, Domain)
    first, second = moved.memnodes
    distances = [case[at]["machine"]["numa"][first]["distances"][second] for at in ("source", "target")]
    assert distances == [21, 32]


def test_m10_nobody_here_forbids_the_source_node() -> None:
    """M10: with room for both pods the source node would pass every judge, so anti-affinity must be honoured."""
    row = Row("M10", SMALL, idle(BEST), Host(BEST, (SMALL.vcpus + 1,)), Outcome.SYMMETRIC)
    assert outcome(row)[0] is Outcome.SYMMETRIC


def test_every_row_is_here() -> None:
    """M1 to M10, and the twelve cells of the documented table; none left out."""
    numbers = {row.id.split("-")[0] for row in ROWS if row.id.startswith("M")}
    assert numbers | {"M7"} | ELSEWHERE.keys() == {f"M{number}" for number in range(1, 11)}
    cells = {row.id.split()[0] for row in DOCUMENTED} | {name.split()[0] for name, *_ in NEVER_STARTS}
    assert cells >= {f"{size}|{p}" for size in ("small", "large", "xl") for p in (NONE, SINGLE, BEST, RESTRICTED)}


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.id)
def test_kubevirt_agrees(row: Row, kubevirt_oracle: KubevirtOracle) -> None:
    """KubeVirt's own code makes the same domains, or the same error, of the same cpusets."""
    case = golden_case(row)
    if "target" not in case:
        case = {"name": row.id, "vm": case["vm"], **case["source"]}
    answered = kubevirt_oracle.play(case)
    assert compare(answered).differences == ()
    failed = row.expected is Outcome.LAUNCHER_FAILS
    assert ("error" in answered["observed"]) == failed


def test_libvirt_agrees(libvirt_judge: Judge) -> None:
    """The real libvirt refuses the M3 rows with the memnode error, and accepts every other target."""
    asked = []
    for row in ALL:
        case = golden_case(row)
        moved = target_domain(case) if "target" in case else None
        if isinstance(moved, Domain):
            asked.append((row, domain_xml(moved, size_of(case["vm"]))))
    answers = libvirt_judge(document for _, document in asked)
    for (row, _), answer in zip(asked, answers, strict=True):
        refused = row.expected is Outcome.MORE_CELLS
        assert answer.get("error") == (MEMNODE_REFUSAL if refused else None), row.id
