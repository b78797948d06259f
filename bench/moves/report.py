"""Tables of migration runs."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from extender.placement.outcomes import Outcome
from tests.kit.moves.run import Result

__all__ = ["table"]

_PENDING: Final = "pending"
#: Column: heading, and the outcomes it counts. Shares are of all migrations but those of guests without cells.
_SHARES: Final = (
    ("symmetric", (Outcome.SYMMETRIC,)),
    ("other split", (Outcome.OTHER_SPLIT,)),
    ("fewer cells", (Outcome.FEWER_CELLS,)),
    ("more cells", (Outcome.MORE_CELLS,)),
    ("pages short", (Outcome.PAGES_SHORT,)),
    ("no fit", (Outcome.NO_FIT,)),
    ("kubelet refuses", (Outcome.KUBELET_REFUSES,)),
    (_PENDING, (_PENDING,)),
)


def table(results: Sequence[Result]) -> str:
    """One line per run: shares in percent of the migrations of guests with cells, then counts of all migrations."""
    heads = ["scheduler", "seed", "VMs", "load", "with cells", *(name for name, _ in _SHARES)]
    heads += ["all", "hotplug", "arrived", "refused", "failed", _PENDING, "in vain", "foreseen"]
    lines = [heads, *(_line(result) for result in results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "  ".join(text.rjust(width) if column else text.ljust(width) for column, (text, width) in enumerate(pairs))
        for pairs in (list(zip(line, widths, strict=True)) for line in lines)
    )


def _line(result: Result) -> list[str]:
    moved = result.moved
    celled = [each for each in moved if each.passthrough]
    counts = Counter(each.outcome or _PENDING for each in celled)
    shares = [100 * sum(counts[each] for each in outcomes) / max(1, len(celled)) for _, outcomes in _SHARES]
    bound = [each for each in moved if each.node]
    refused = sum(each.outcome == Outcome.KUBELET_REFUSES for each in bound)
    failed = sum(each.certain_failure for each in bound)
    foreseen = f"{sum(each.foreseen for each in bound)} of {len(bound)}" if result.plan.scheduler == "fastfit" else "-"
    return [
        result.plan.scheduler,
        str(result.plan.seed),
        str(result.running),
        f"{result.load:.0f} %",
        str(len(celled)),
        *(f"{share:.1f} %" for share in shares),
        str(len(moved)),
        str(sum(each.grows for each in moved)),
        str(len(bound) - refused - failed),
        str(refused),
        str(failed),
        str(len(moved) - len(bound)),
        str(sum(bool(each.in_vain) for each in moved)),
        foreseen,
    ]
