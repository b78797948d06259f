"""Recorded nodes with KubeVirt VMs, judged by the real managers, the twin and the kernel."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from _fastfit import LAST_UNKNOWN, Ask, Code, Row, Table
from bench.fit.kernel import ask_for, judge_all, line, names_of, row_of, seconds, table_of
from bench.shared.report import Row as Line
from bench.shared.report import progress
from extender.api.objects import Pod
from extender.kubelet.admission import Kubelet
from extender.kubelet.pod import PodDemand, pod_demand
from extender.kubelet.results import Admitted
from tests.kit.kubelet_nodes import parse_config, parse_machine
from tests.kit.oracle.kubelet.process import Oracle

__all__ = ["Recording", "recording_lines"]

#: A pod is admitted, or the pod of this UID is removed.
Event = PodDemand | str


class Recording:
    """One recorded node: its events, and which pods the real kubelet admitted."""

    def __init__(self, scenario: dict[str, Any]) -> None:
        self.scenario = scenario
        self.machine = parse_machine(scenario["machine"])
        self.config = parse_config(scenario["kubelet"])
        self.events: list[Event] = []
        self.admitted: list[bool] = []
        for step in scenario["steps"]:
            if "admit" in step:
                self.events.append(_demand(step["admit"]))
                self.admitted.append(step["observed"]["admit"])
            elif "remove" in step:
                self.events.append(step["remove"])

    def play(self, before: Callable[[Kubelet, PodDemand], None] | None = None) -> list[bool]:
        """The twin's verdicts; `before` sees each state with the pod that comes next."""
        kubelet = Kubelet(self.machine, self.config, "1.36")
        verdicts: list[bool] = []
        for event in self.events:
            if isinstance(event, str):
                kubelet.remove(event)
                continue
            if before is not None:
                before(kubelet, event)
            verdicts.append(isinstance(kubelet.admit(event), Admitted))
        return verdicts


def recording_lines(recordings: Sequence[Recording], rounds: int, oracle: Path | None) -> list[Line]:
    """Admissions a second of each judge. Raises RuntimeError where one decides otherwise than the recording."""
    recorded = [verdict for recording in recordings for verdict in recording.admitted]
    rows: list[Row] = []
    asks: list[Ask] = []

    def note(kubelet: Kubelet, demand: PodDemand) -> None:
        rows.append(row_of(kubelet, f"state-{len(rows)}"))
        asks.append(ask_for(demand))

    if [verdict for recording in recordings for verdict in recording.play(note)] != recorded:
        raise RuntimeError("the twin differs from the recording; see python -m tests.replay")
    _check_kernel(rows, asks, recorded)
    count = len(recorded)
    lines: list[Line] = []
    if oracle is not None:
        progress(f"oracle: {count} admissions")
        with Oracle(binary=oracle) as real:
            real.play(recordings[0].scenario)
            speeds = [count / seconds(_play_real, real, recordings) for _ in range(3)]
        lines.append(line("life/oracle", speeds, "admissions/s", "", 0))
    baseline = lines[0].value if lines else 0
    against = "oracle" if lines else ""
    progress(f"twin and kernel: {count} admissions")
    speeds = [count / seconds(_play, recordings) for _ in range(rounds)]
    lines.append(line("life/twin", speeds, "admissions/s", against, baseline))
    against, baseline = against or "twin", baseline or lines[-1].value
    single = [names_of([row]) for row in rows]
    # A table keeps answers, so each round has a new one.
    speeds = [count / seconds(_one_by_one, table_of(rows), asks, single) for _ in range(rounds)]
    lines.append(line("life/kernel", speeds, "admissions/s", against, baseline))
    sizes = list(dict.fromkeys(asks))[:40]
    speeds = [len(sizes) * count / seconds(judge_all, table_of(rows), sizes, names_of(rows)) for _ in range(rounds)]
    lines.append(line("rows/kernel", speeds, "verdicts/s", against, baseline))
    return lines


def _check_kernel(rows: Sequence[Row], asks: Sequence[Ask], recorded: Sequence[bool]) -> None:
    """Compare the kernel's verdicts with the recording. Undecided states are only counted."""
    table = table_of(rows)
    unknown = 0
    for row, ask, admitted in zip(rows, asks, recorded, strict=True):
        code = table.fit(table.prepare(ask), names_of([row])).entries()[0].code
        if Code.Fits < code <= LAST_UNKNOWN:
            unknown += 1
        elif (code == Code.Fits) is not admitted:
            raise RuntimeError(f"the kernel says {Code(code).name} where the kubelet answered {admitted}: {row}, {ask}")
    progress(f"kernel: {len(rows) - unknown} of {len(rows)} states decided, all as recorded")


def _demand(admit: Mapping[str, Any]) -> PodDemand:
    pod = {"metadata": {"uid": admit["uid"]}, "spec": admit["spec"], "status": admit.get("status") or {}}
    return pod_demand(msgspec.convert(pod, Pod))


def _play(recordings: Sequence[Recording]) -> None:
    for recording in recordings:
        recording.play()


def _play_real(oracle: Oracle, recordings: Sequence[Recording]) -> None:
    for recording in recordings:
        oracle.play(recording.scenario)


def _one_by_one(table: Table, asks: Sequence[Ask], names: Sequence[bytes]) -> None:
    for ask, name in zip(asks, names, strict=True):
        table.fit(table.prepare(ask), name).entries()
