"""Replays recorded answers of real code through ours: `python -m tests.replay KIND FILE...`.

KIND `kubelet`: node lives in the golden format (tests/golden/kubelet/README.md), through extender/kubelet. Every
verdict, reason, message class and, per container, CPUs, hint, preference and memory blocks are compared, and every
`state` step. One more step is known: `{"restart": true, "observed": {uid: answer}}` restarts the kubelet from its
state files, and all active pods are admitted again in order. The kubelet version is 1.36 unless the file's name ends
in another. KIND `kubevirt` is in tests/conformance/kubevirt/replay.py. The exit code is 1 if anything differs or is missing.
"""

import gzip
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from extender.api.objects import Pod
from extender.errors import BadObject
from extender.kubelet.admission import DeviceHints, Kubelet
from extender.kubelet.cpuset import format_cpus, from_ids
from extender.kubelet.facts_json import config_from_json, machine_from_json
from extender.kubelet.pod import PodDemand, pod_demand
from extender.kubelet.results import Admitted, ContainerPlacement, Refused
from extender.kubelet.versions import version_of

__all__ = ["differences", "main", "scenarios", "version_of_file"]

_DEFAULT_VERSION = "1.36"
#: Differences that are printed; the rest is only counted.
_SHOWN = 10
_NAME = re.compile(r"-(1\.\d+)(?:\.\d+)?\.jsonl(?:\.gz)?$")


def version_of_file(path: str) -> str:
    """The kubelet minor that answered in `path`."""
    match = _NAME.search(path)
    return version_of(match[1]) if match else _DEFAULT_VERSION


def scenarios(path: str) -> Iterator[dict[str, Any]]:
    """The scenarios of a .jsonl or .jsonl.gz file."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


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
            demand = demands[step["admit"]["uid"]] = _demand(step["admit"])
            answer = kubelet.admit(demand, _device_hints(step["admit"]))
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


def _demand(admit: Mapping[str, Any]) -> PodDemand:
    pod = {"metadata": {"uid": admit["uid"]}, "spec": admit["spec"], "status": admit.get("status") or {}}
    return pod_demand(msgspec.convert(pod, Pod))


def _device_hints(admit: Mapping[str, Any]) -> DeviceHints:
    given = admit.get("deviceHints") or {}
    return {
        resource: None if hints is None else [(hint["numa"], hint["preferred"]) for hint in hints]
        for resource, hints in given.items()
    }


def _answer(answer: Admitted | Refused) -> dict[str, Any]:
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
    if isinstance(recorded, dict) and isinstance(ours, dict):
        for key in sorted({*recorded, *ours}):
            yield from _compare(f"{where} {key}", recorded.get(key, "(no answer)"), ours.get(key, "(no answer)"))
    elif recorded != ours:
        yield f"{where}: recorded {json.dumps(recorded)}, ours {json.dumps(ours)}"


def _replay_kubelet(files: list[str]) -> int:
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


def main(arguments: list[str]) -> int:
    """The exit code for the command line `arguments`."""
    kind, files = (arguments[0], arguments[1:]) if arguments else ("", [])
    if not files or kind not in ("kubelet", "kubevirt"):
        print("usage: python -m tests.replay kubelet|kubevirt FILE...", file=sys.stderr)
        return 2
    if kind == "kubelet":
        return _replay_kubelet(files)
    from tests.conformance.kubevirt import replay as replay_kubevirt

    return replay_kubevirt.replay(files)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
