"""Replays recorded lives of nodes through the kubelet twin: `python -m tests.replay kubelet FILE...`.

The format of the files is described in tests/golden/kubelet/README.md. Every verdict, reason, message class and, per
container, CPUs, hint, preference and memory blocks are compared, and every `state` step. One more step is known:
`{"restart": true, "observed": {uid: answer}}` restarts the kubelet from its state files, and all active pods are
admitted again in order.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from extender.errors import BadObject
from extender.kubelet.admission import Kubelet
from extender.kubelet.cpuset import format_cpus, from_ids
from extender.kubelet.facts_json import config_from_json, machine_from_json
from extender.kubelet.pod import PodDemand
from extender.kubelet.results import Admitted, ContainerPlacement, Refused
from tests.kit.golden import demand, device_hints, scenarios, version_of_file

__all__ = ["differences", "replay"]

#: Differences that are printed; the rest is only counted.
_SHOWN: Final = 10


def replay(files: Sequence[str]) -> int:
    """Replays the files, prints the first differences and the totals; exit code 1 if anything differs."""
    played = admissions = different = 0
    for path in files:
        version = version_of_file(path)
        for line, scenario in enumerate(scenarios(path), 1):
            played += 1
            admissions += sum(1 for step in scenario["steps"] if "admit" in step)
            for difference in differences(scenario, version):
                different += 1
                if different <= _SHOWN:
                    print(f"{Path(path).name} line {line}: {difference}")
    if different > _SHOWN:
        print(f"... and {different - _SHOWN} more")
    print(f"scenarios {played} admissions {admissions} differences {different}")
    return 1 if different else 0


def differences(scenario: Mapping[str, Any], version: str, *, exact_messages: bool = False) -> Iterator[str]:
    """Plays one node's life and tells, step by step, where the twin answers otherwise than the recording.

    Of a refusal's message only the class is compared, its numbers left out, unless `exact_messages`.
    """
    try:
        yield from _differences(scenario, version, _whole if exact_messages else _without_numbers)
    except BadObject as fault:
        yield f"{scenario.get('name', '')}: no answer: {fault}"


def _differences(scenario: Mapping[str, Any], version: str, reduced: Callable[[Any], Any]) -> Iterator[str]:
    kubelet = Kubelet(
        machine_from_json(scenario["machine"], "machine"), config_from_json(scenario["kubelet"], "kubelet"), version
    )
    demands: dict[str, PodDemand] = {}
    for number, step in enumerate(scenario["steps"]):
        where = f"{scenario.get('name', '')} step {number}"
        if "admit" in step:
            asked = demands[step["admit"]["uid"]] = demand(step["admit"])
            answer = kubelet.admit(asked, device_hints(step["admit"]))
            where += f" admit {step['admit']['uid']}"
            yield from _compare(where, reduced(step.get("observed")), reduced(_answer(answer)))
        elif "remove" in step:
            kubelet.remove(step["remove"])
        elif "start" in step:
            for container in demands[step["start"]].containers if step["start"] in demands else ():
                kubelet.started(step["start"], container.name)
        elif "restart" in step:
            ours = {uid: reduced(_answer(answer)) for uid, answer in kubelet.restart().items()}
            recorded = {uid: reduced(answer) for uid, answer in (step.get("observed") or {}).items()}
            yield from _compare(where + " restart", recorded, ours)
        elif "state" in step:
            yield from _compare(where + " state", step["state"], kubelet.state())
        else:
            yield f"{where}: unknown step {sorted(step)}"


def _answer(answer: Admitted | Refused) -> dict[str, Any]:
    """An answer in the recorded form."""
    containers = {name: _container(placement) for name, placement in answer.containers.items()}
    if isinstance(answer, Admitted):
        return {"admit": True, "containers": containers}
    return {"admit": False, "reason": answer.reason, "message": answer.message, "containers": containers}


def _container(placement: ContainerPlacement) -> dict[str, Any]:
    return {
        "cpus": format_cpus(from_ids(placement.cpus)),
        "hint": None if placement.hint is None else list(placement.hint),
        "preferred": placement.preferred,
        "memory": sorted(
            ({"resource": b.resource, "numa": list(b.zones), "Mi": b.bytes >> 20} for b in placement.memory),
            key=lambda block: str(block["resource"]),
        ),
    }


def _whole(answer: Any) -> Any:
    return answer


def _without_numbers(answer: Any) -> Any:
    if not isinstance(answer, dict) or "message" not in answer:
        return answer
    return {**answer, "message": re.sub(r"\d+", "N", answer["message"])}


def _compare(where: str, recorded: Any, ours: Any) -> Iterator[str]:
    """One line per leaf that differs."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        for key in sorted({*recorded, *ours}):
            yield from _compare(f"{where} {key}", recorded.get(key, "(no answer)"), ours.get(key, "(no answer)"))
    elif recorded != ours:
        yield f"{where}: recorded {json.dumps(recorded)}, ours {json.dumps(ours)}"
