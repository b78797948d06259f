"""Output of `fastfit explain`: the table of nodes, and the numbers behind refusals."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter

from extender.api.quantity import whole
from extender.cli.tables import Cell, Column, Terminal, clean, render, wrap
from extender.errors import BadObject
from extender.placement.answers import NodeAnswer, PodAnswer

__all__ = ["VERDICT_COLOURS", "any_node_left", "details", "summary"]

VERDICT_COLOURS = {"fits": "green", "unknown": "yellow", "refused": "red"}
_HUGEPAGES = "hugepages-"
_UNITS = ((1024**4, "Ti"), (1024**3, "Gi"), (1024**2, "Mi"), (1024, "Ki"))


def any_node_left(answer: PodAnswer) -> bool:
    """Whether some node may take the pod: its verdict is fits or unknown, or no zone rule applies to the pod."""
    return _passes(answer) or any(node.verdict != "refused" for node in answer.nodes)


def _passes(answer: PodAnswer) -> bool:
    """Whether no zone rule applies to the pod. Then the answer has no nodes, and a note says so."""
    return not answer.nodes and not answer.demand


def summary(answer: PodAnswer, terminal: Terminal, wide: bool = False) -> str:
    """The pod, what it asks for, and one row per node in the answer's order: fitting nodes first."""
    lines = [terminal.paint(clean(f"Pod {answer.namespace}/{answer.name}: {answer.kind}"), "bold")]
    lines += [wrap(f"asks for {container}", terminal, "  ") for container in answer.demand]
    lines += [wrap(f"note: {note}", terminal, "  ") for note in answer.notes]
    lines += [wrap(f"not judged: {answer.not_judged}", terminal, "  ")] if answer.not_judged else []
    if not answer.nodes:
        return "\n".join(lines if _passes(answer) else [*lines, "  no nodes are known"])
    counts = {verdict: sum(node.verdict == verdict for node in answer.nodes) for verdict in VERDICT_COLOURS}
    lines.append("  " + ", ".join(f"{verdict} {count}" for verdict, count in counts.items() if count))
    columns = [
        Column("NODE"),
        Column("VERDICT"),
        Column("MIGRATION"),
        Column("ZONES"),
        Column("CPUS"),
        Column("PAGES"),
        *([Column("MEMORY"), Column("CELLS", right=True)] if wide else []),
        Column("SCORE", right=True),
        *([Column("MODE"), Column("POOL"), Column("CODE")] if wide else []),
        Column("REASON", wraps=True),
    ]
    return "\n".join([*lines, "", render(columns, [_row(node, wide) for node in answer.nodes], terminal)])


def _row(node: NodeAnswer, wide: bool) -> list[str | Cell]:
    given = node.per_zone if node.verdict != "refused" else ()
    wide_middle = (
        [_by_zone((zone.id, _size(zone.memory_given.get("memory", 0))) for zone in given), str(node.cells or "")]
        if wide
        else []
    )
    wide_end = [node.mode, node.pool, node.code] if wide else []
    return [
        node.node,
        Cell(node.verdict, VERDICT_COLOURS.get(node.verdict, "")),
        node.migration.outcome if node.migration is not None else "",
        ",".join(map(str, node.zones)) if given else "",
        _by_zone((zone.id, str(zone.cpus_given or "")) for zone in given),
        _by_zone((zone.id, _pages(zone.memory_given)) for zone in given),
        *wide_middle,
        "" if node.verdict == "refused" else str(node.score),
        *wide_end,
        node.text,
    ]


def details(answer: PodAnswer, terminal: Terminal, wide: bool = False) -> str:
    """For every node that does not fit: the rule, the remedy, the kubelet's own reason, and per zone what is free and
    what is missing.

    `wide` adds every node, each fact with its source, and the kubelet's steps.
    """
    return "\n\n".join(
        "\n".join(_detail(node, terminal, wide)) for node in answer.nodes if wide or node.verdict != "fits"
    )


def _detail(node: NodeAnswer, terminal: Terminal, wide: bool) -> Iterator[str]:
    verdict = terminal.paint(clean(node.verdict), VERDICT_COLOURS.get(node.verdict, ""))
    yield f"{terminal.paint(clean(node.node), 'bold')}: {verdict} ({clean(node.code)})"
    yield wrap(node.text, terminal, "  ")
    if node.migration is not None and node.migration.text != node.text:
        yield wrap(f"migration: {node.migration.outcome}; {node.migration.text}", terminal, "  ")
    if node.advice and node.advice != node.text:
        yield wrap(node.advice, terminal, "  ")
    if node.nearest:
        yield wrap(f"nearest: {node.nearest}", terminal, "  ")
    if node.headroom:
        yield wrap(f"hotplug: the node {node.headroom}", terminal, "  ")
    if node.stand_in:
        yield wrap(node.stand_in, terminal, "  ")
    if not wide and node.verdict == "refused":
        yield from (wrap(step, terminal, "  ") for step in node.steps)
    if node.per_zone:
        yield _zones(node, terminal)
    if wide:
        for step in node.steps:
            yield wrap(f"- {step}", terminal, "  ")
        if node.facts:
            columns = [Column("FACT"), Column("VALUE"), Column("FROM", wraps=True)]
            yield render(columns, [[fact.name, fact.value, fact.source] for fact in node.facts], terminal, "  ")


def _zones(node: NodeAnswer, terminal: Terminal) -> str:
    columns = [
        Column("ZONE", right=True),
        Column("CPUS FREE", right=True),
        Column("PAGES FREE"),
        Column("MEMORY FREE", right=True),
        Column("DEVICES FREE"),
        Column("MISSING", wraps=True),
    ]
    rows = [
        [
            str(zone.id),
            f"{zone.cpus_free} of {zone.cpus_total}",
            _pages(zone.memory_free),
            (_size(zone.memory_free["memory"]) or "0") if "memory" in zone.memory_free else "",
            ", ".join(f"{count} {name}" for name, count in sorted(zone.devices_free.items())),
            zone.missing,
        ]
        for zone in node.per_zone
    ]
    return render(columns, rows, terminal, "  ")


def _by_zone(amounts: Iterable[tuple[int, str]]) -> str:
    """Amounts per zone, as "0:20 4,5:13": neighbours with equal amounts together, zones without an amount left out."""
    groups = groupby((pair for pair in amounts if pair[1]), key=itemgetter(1))
    return " ".join(f"{','.join(str(zone) for zone, _ in group)}:{amount}" for amount, group in groups)


def _pages(memory: Mapping[str, int]) -> str:
    """Huge pages as number and size: "16x1Gi"; as bytes if the size cannot be read."""
    shown = []
    for name, amount in sorted(memory.items()):
        if name.startswith(_HUGEPAGES):
            size = name.removeprefix(_HUGEPAGES)
            try:
                shown.append(f"{amount // whole(size)}x{size}")
            except (BadObject, ZeroDivisionError):
                shown.append(f"{_size(amount)} of {size}")
    return ", ".join(shown)


def _size(amount: int) -> str:
    """Bytes in the largest fitting binary unit, with at most one decimal; "" for 0."""
    for unit, suffix in _UNITS:
        if amount >= unit:
            count, rest = divmod(amount, unit)
            return f"{count}{suffix}" if not rest or count >= 100 else f"{amount * 10 // unit / 10:g}{suffix}"
    return str(amount or "")
