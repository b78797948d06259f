"""Tables of admission runs."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Final

from tests.kit.admission.run import Outcome, Plan

__all__ = ["markdown", "table"]

#: A column's heading, and its value of an outcome.
_NUMBERS: Final[tuple[tuple[str, Callable[[Outcome], float]], ...]] = (
    ("bound", lambda o: o.bound),
    ("admitted", lambda o: o.admitted),
    ("refused", lambda o: len(o.refusals)),
    ("pending", lambda o: len(o.pending)),
    ("that fit", lambda o: len({hit.pod for hit in o.pending_fits})),
    ("no pages", lambda o: len(o.unbootable)),
    ("CPUs", lambda o: o.cpus),
    ("seconds", lambda o: round(o.seconds, 1)),
)


def table(outcomes: Sequence[Outcome], *, heading: bool, medians: bool = False) -> str:
    """One line per run, for a terminal. `refused` is by the kubelets; `no pages`: admitted, but QEMU would not start."""
    lines = []
    if heading:
        lines.append(f"{'scheduler':9} {'nrt':5} {'lag':>3} {'facts':5} {'seed':>4} ")
        lines[0] += " ".join(f"{name:>8}" for name, _ in _NUMBERS) + "  refused by reason / by our verdict"
    for outcome in outcomes:
        numbers = " ".join(f"{value(outcome):>8}" for _, value in _NUMBERS)
        lines.append(f"{_plan(outcome.plan)} {outcome.plan.seed:>4} {numbers}  {_breakdown(outcome)}")
    if medians:
        for group in _grouped(outcomes).values():
            numbers = " ".join(f"{median(value(o) for o in group):>8g}" for _, value in _NUMBERS)
            lines.append(f"{_plan(group[0].plan)} {'med.':>4} {numbers}")
    return "\n".join(lines)


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Medians over the seeds, with the range where it says something; for the README."""
    lines = [
        "| scheduler | zone reports | VMs running | refused by the kubelet | admitted, but no pages at boot | pending | pending that fit | exclusive CPUs running |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for group in _grouped(outcomes).values():
        plan = group[0].plan
        report = f"{plan.nrt}, {plan.lag:g} s late" + ("" if plan.facts else ", no facts")
        cells = (
            _spread(o.admitted - len(o.unbootable) for o in group),
            _spread(len(o.refusals) for o in group),
            _spread(len(o.unbootable) for o in group),
            _spread(len(o.pending) for o in group),
            _spread(len({hit.pod for hit in o.pending_fits}) for o in group),
            _spread(o.cpus for o in group),
        )
        name, report = ("default scheduler", "not read") if plan.scheduler == "default" else (plan.scheduler, report)
        lines.append(f"| {name} | {report} | {' | '.join(cells)} |")
    seeds = len({outcome.plan.seed for outcome in outcomes})
    lines.append("")
    lines.append(f"Medians over {seeds} seeds (lowest to highest); {outcomes[0].plan.pods} VMs on 30 nodes.")
    return "\n".join(lines)


def _plan(plan: Plan) -> str:
    return f"{plan.scheduler:9} {plan.nrt:5} {plan.lag:>3g} {'yes' if plan.facts else 'no':5}"


def _breakdown(outcome: Outcome) -> str:
    return f"{_counts(outcome.by_reason)} / {_counts(outcome.by_verdict)}" if outcome.refusals else ""


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(counts).most_common())


def _grouped(outcomes: Sequence[Outcome]) -> dict[tuple[str, str, float, bool], list[Outcome]]:
    groups: dict[tuple[str, str, float, bool], list[Outcome]] = {}
    for outcome in outcomes:
        plan = outcome.plan
        groups.setdefault((plan.scheduler, plan.nrt, plan.lag, plan.facts), []).append(outcome)
    return groups


def _spread(values: Iterable[float]) -> str:
    numbers = sorted(values)
    middle = f"{median(numbers):g}"
    return middle if numbers[0] == numbers[-1] else f"{middle} ({numbers[0]:g}-{numbers[-1]:g})"
