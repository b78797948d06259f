"""docs/outcomes.md: what becomes of a live migration by VM size and Topology Manager policy, and the rule behind it.

Nothing on the page is written by hand but the rules' words: the rows are those of tests/unit/placement/test_migration_rows.py,
which KubeVirt's own code and libvirt are asked about as well; the outcome is computed from the kubelet model's cpusets,
the verdict and its code are what the extender says of the same cluster.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from _fastfit.codes import Code
from extender.kubelet.results import Refused
from extender.placement.answers import NodeAnswer
from extender.reasons import REASONS
from tests.kit import migration_cluster
from tests.kit import migration_rows as rows

__all__ = ["RULES", "outcomes"]

#: VM sizes of the table, and what vendors' documentation says of each under each policy.
_SIZES: Final = {
    "small": "Small: 8 vCPUs, less than half a zone",
    "large": "Large: 24 vCPUs, more than half a zone",
    "xl": "Extra large: 48 vCPUs, more than a zone",
}
_POLICIES: Final = ("none", "single-numa-node", "best-effort", "restricted")
_DOCUMENTED: Final = {
    "small": ("works", "works", "works", "works"),
    "large": ("does not work", "works", "works", "works"),
    "xl": ("works", "does not start", "works", "does not work"),
}

#: The rule behind every row, by its id.
RULES: Final[Mapping[str, str]] = {
    "small|none M1": "Policy none packs: CPUs come from the zone with the fewest free ones first, and all 9 fit there. "
    "One cell at the boot, one zone at the target.",
    "small|single-numa-node M1": "The kubelet admits only what one zone holds, at the boot and at the target.",
    "small|best-effort M1": "A zone that holds everything is preferred, and there is one.",
    "small|restricted M1": "Only the fewest zones that could ever hold the pod will do: one.",
    "large|none M3": "Policy none packs: it empties the zone with the fewest free CPUs (20) and takes 5 of the other, "
    "though that one could hold all. The guest has one cell; libvirt refuses a memnode for a second one.",
    "large|none-idle M1": "On an idle node packing ends in one zone: whether a target works depends on what else runs.",
    "large|single-numa-node M1": "The kubelet finds the zone that holds all 25 CPUs.",
    "large|best-effort M1": "A zone that holds everything is preferred, and there is one.",
    "large|restricted M1": "Only one zone will do, and one has room.",
    "xl|none M1": "Two zones are needed wherever it runs. On nodes that are equally free packing gives equal splits.",
    "xl|none-begun M2": "Two zones again, but the fuller one gives fewer CPUs: vCPUs run away from their cell's memory, "
    "and the guest is not told. It works, slower.",
    "xl|best-effort M1": "No zone holds it, so best-effort gives two; equally free nodes split alike.",
    "xl|best-effort-begun M2": "Two zones with another split: works, slower.",
    "xl|single-numa-node S5": "More than any zone can give: TopologyAffinityError on every such node, for ever.",
    "xl|restricted S10": "With Memory Manager Static the memory fits one zone while the CPUs need two. Topology Manager "
    "wants one set of zones for both, and there is none.",
    "xl|restricted-sidecar S12": "The VM's side container holds memory of a single zone; Memory Manager Static then lets "
    "no pod have memory over that zone and another.",
    "small|none M3 nearly full": "5 CPUs are left in the fuller zone: packing takes them and 4 of the other, so even a "
    "small VM touches two zones.",
    "large|best-effort M3 no zone fits": "Best-effort admits what no zone holds, over two zones: one cell cannot follow.",
    "xl|none M3 four zones": "Of zones of 16 CPUs it had two; on a used node packing needs three.",
    "xl|none M4 four zones": "Three cells on two zones: the third one's memory goes wherever pages are. libvirt accepts it.",
    "xl|restricted S9": "Without Memory Manager the CPUs alone decide: the fewest zones that could hold them are two, and "
    "both are free. Documented as not working, it does.",
    "xl|restricted S11": "With Memory Manager Static, memory that needs both zones, and no side container: CPUs and memory "
    "agree on both zones.",
    "M1": "5+3 vCPUs then and now.",
    "M2": "5+3 vCPUs then, 3+5 now: two of eight run away from their memory.",
    "M3": "One cell, two zones: libvirt refuses.",
    "M4": "Two cells in one zone: every vCPU is near all of the memory.",
    "M5": "Cell i is bound to the i-th zone with a vCPU and takes its pages of the boot there; they are missing.",
    "M5-enough": "The same with just enough pages.",
    "M5-fewer": "One zone must hold the memory of both cells.",
    "M6": "The kubelet refuses the target's pod, and the migration fails at once.",
    "M6-restricted": "The kubelet refuses the target's pod, and the migration fails at once.",
    "M8": "The zones lie farther apart than before. Nothing refuses it; among equal layouts the nearer zones rank first.",
    "core-split": "KubeVirt never splits a guest core over zones: with 3 CPUs in each only two of three cores fit.",
}
_ELSEWHERE: Final = {
    "M7": "Every node refuses for its own reason: the target stays Pending with these, and KubeVirt ends it after 5 "
    "minutes.",
    "M9": "CPU model labels, devices and volumes are decided by kube-scheduler and KubeVirt; `targets` says so instead of "
    "blaming NUMA.",
    "M10": "The source node: KubeVirt's anti-affinity excludes it, so it is shown and never ranked.",
}


def outcomes() -> str:
    """The page."""
    lines = [
        "# What becomes of a live migration",
        "",
        "A VM that sees the host's NUMA (guestMappingPassthrough) gets one guest cell for every zone in which it has a vCPU",
        "when it boots, and keeps these cells for life. KubeVirt pins it anew at every target, so what counts is how many",
        "zones its vCPUs touch there (T) and how many cells it has (S). T > S fails for certain, and so does a zone without the",
        "pages of the cell bound to it; the same vCPUs per cell is as good as before; other layouts work, slower. Size and",
        "policy only decide what the kubelet gives: they are a proxy, and the table shows where it breaks.",
        "",
        "Node: two zones of 16 cores with two threads, one core per zone reserved, 64 x 1Gi pages per zone, no Memory Manager",
        "unless a row says so. Every VM has one more CPU for its emulator thread.",
        "",
        "| VM | " + " | ".join(_POLICIES) + " |",
        "|---|" + "---|" * len(_POLICIES),
    ]
    for size, words in _SIZES.items():
        cells = [
            f"documented: {documented}. {'; '.join(_cell(size, policy))}"
            for policy, documented in zip(_POLICIES, _DOCUMENTED[size], strict=True)
        ]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    lines += [
        "",
        "## The rule behind every cell",
        "",
        "Verdict: what filter does by default (`migration: prefer`); `strict` lets only symmetric targets pass, `off` leaves",
        "the kubelet's rules alone. Local: share of the vCPUs that run at their cell's memory.",
        "",
        *_table([*rows.DOCUMENTED, *rows.COUNTER]),
        "",
        "Where the VM does not even start:",
        "",
        "| row | node | the kubelet's reason | rule |",
        "|---|---|---|---|",
        *(_never(*row) for row in rows.NEVER_STARTS),
        "",
        "## The other rows",
        "",
        *_table(rows.ROWS),
        "",
        *(f"* **{number}**: {text}" for number, text in _ELSEWHERE.items()),
    ]
    return "\n".join(lines) + "\n"


def _cell(size: str, policy: str) -> Iterator[str]:
    """Every row of one size and policy in a few words."""
    for row in (*rows.DOCUMENTED, *rows.COUNTER):
        if row.id.split()[0].removesuffix("-idle").removesuffix("-begun") == f"{size}|{policy}":
            outcome, _, _ = rows.outcome(row)
            yield f"{_words(row.source, row.target)}: **{migration_cluster.WORDS[outcome].value}** ({_number(row.id)})"
    for name, vm, host, _ in rows.NEVER_STARTS:
        if name.split()[0].removesuffix("-sidecar") == f"{size}|{policy}":
            assert isinstance(host.admit(vm), Refused)
            yield f"{_host(host)}: **does not start** ({_number(name)})"


def _number(name: str) -> str:
    return name.split()[1]


def _words(source: rows.Host, target: rows.Host) -> str:
    then, now = _host(source), _host(target)
    return now if then in ("idle", now) else f"from {then} to {now}"


def _host(host: rows.Host) -> str:
    """What makes a node differ from the idle one of the page."""
    usual = rows.idle(host.policy)
    words = [f"{host.zones} zones of {host.cores * host.threads} CPUs"] if host.zones != usual.zones else []
    words += ["Memory Manager"] if host.memory_manager else []
    words += ["no SMT"] if host.threads != usual.threads else []
    words += [f"distance {host.far}"] if host.far != usual.far else []
    if host.zones == usual.zones and host.pages != usual.pages:
        words.append(f"pages {'+'.join(map(str, host.pages))}")
    words += [f"{'+'.join(map(str, host.busy))} CPUs taken"] if host.busy else []
    return ", ".join(words) or "idle"


def _table(some: Sequence[rows.Row]) -> Iterator[str]:
    yield "| row | policy | booted on | target | S, T | outcome | local | verdict | rule |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in some:
        outcome, cells, share = rows.outcome(row)
        found = migration_cluster.at(migration_cluster.asked(migration_cluster.cluster_of_row(row), row.vm))
        shown = (
            row.id.replace("|", " "),
            row.target.policy,
            _host(row.source),
            _host(row.target),
            "{}, {}".format(*cells) if cells is not None else "",
            migration_cluster.WORDS[outcome].value,
            f"{float(share):.0%}" if share is not None else "",
            _verdict(found),
            RULES[row.id],
        )
        yield f"| {' | '.join(shown)} |"


def _verdict(found: NodeAnswer) -> str:
    return (
        "passes" if found.verdict == "fits" else f"{found.verdict}: {REASONS[Code[found.code]].text} (`{found.code}`)"
    )


def _never(name: str, vm: rows.Vm, host: rows.Host, reason: str) -> str:
    answer = host.admit(vm)
    assert isinstance(answer, Refused)
    assert answer.reason == reason
    return f"| {name.replace('|', ' ')} | {_host(host)} | {answer.reason} | {RULES[name]} |"
