"""Replays recorded boots and migrations of KubeVirt through the guest model: `python -m tests.replay kubevirt FILE...`.

The format of the files is described in tests/golden/kubevirt/README.md. Every key of the recorded answers counts,
the absent ones too.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from extender.kubelet.facts_json import machine_from_json
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.domain import Domain, GuestError
from extender.kubevirt.migration.target_domain import libvirt_refusal, migrate
from tests.kit.golden import cases, cpus_of, size_of

__all__ = ["ANSWERS", "predict", "replay"]

#: The keys of a case that KubeVirt and libvirt answered.
ANSWERS: Final = ("observed", "observedBoot", "observedPrepare", "libvirt")
#: Differences that are printed; the rest is only counted.
_SHOWN: Final = 10


def replay(files: Sequence[str]) -> int:
    """Replays the files, prints the first differences and the totals; exit code 1 if any case differs or none came."""
    count = differing = 0
    for file in files:
        for where, case in cases(Path(file)):
            count += 1
            expected = {key: case[key] for key in ANSWERS if key in case}
            predicted = predict(case)
            if predicted == expected:
                continue
            differing += 1
            if differing <= _SHOWN:
                print(f"{where} {case.get('name', '')}")
                for line in _differences(expected, predicted):
                    print(f"  {line}")
    if differing > _SHOWN:
        print(f"... and {differing - _SHOWN} more cases that differ")
    print(f"cases {count} differences {differing}")
    return 1 if differing or not count else 0


def predict(case: dict[str, Any]) -> dict[str, Any]:
    """Our answers to one case, in the recorded form: a migration if it has a target, else a boot."""
    size = size_of(case["vm"])
    if "target" not in case:
        return {"observed": _answer(boot(machine_from_json(case["machine"], "machine"), cpus_of(case["cpuset"]), size))}
    source, target, at_boot = case["source"], case["target"], case.get("boot", {})
    boot_size = replace(size, sockets=at_boot.get("sockets", size.sockets))
    running = boot(machine_from_json(source["machine"], "source.machine"), cpus_of(source["cpuset"]), boot_size)
    answers: dict[str, Any] = {"observedBoot": _answer(running)}
    if isinstance(running, GuestError):
        return answers
    host, cpus = machine_from_json(target["machine"], "target.machine"), cpus_of(target["cpuset"])
    prepared = boot(host, cpus, size)
    pins: dict[str, Any] = _answer(prepared) if isinstance(prepared, GuestError) else {"pins": list(prepared.pins)}
    moved = migrate(running, host, cpus, size, enabled_sockets=at_boot.get("enabledSockets"))
    answers |= {"observedPrepare": pins, "observed": _answer(moved)}
    if isinstance(moved, Domain):
        answers["libvirt"] = libvirt_refusal(moved) or "accepted"
    return answers


def _answer(answer: Domain | GuestError) -> dict[str, Any]:
    """A domain in the recorded form: a key only for what the domain has."""
    if isinstance(answer, GuestError):
        return {"error": answer.text}
    optional = {
        "maxVcpus": answer.max_vcpus if answer.max_vcpus != len(answer.pins) else None,
        "emulator": _list(answer.emulator),
        "iothreads": [{"id": id_, "cpus": _list(cpus)} for id_, cpus in enumerate(answer.io_threads, 1)],
        "cells": [
            {"id": cell.id, "cpus": _ranges(cell.cpus), "memoryKiB": cell.memory_bytes // 1024} for cell in answer.cells
        ],
        "numatune": {"mode": "strict", "nodeset": _list(answer.nodeset)} if answer.nodeset else None,
        "memnodes": [{"cellid": cell, "nodeset": str(zone)} for cell, zone in enumerate(answer.memnodes)],
        "hugepages": [{"sizeKiB": answer.cell_page_bytes // 1024, "nodeset": str(cell.id)} for cell in answer.cells]
        if answer.cell_page_bytes
        else None,
    }
    return {"pins": list(answer.pins)} | {key: value for key, value in optional.items() if value}


def _list(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))


def _ranges(numbers: Iterable[int]) -> str:
    """Ascending numbers as libvirt's bitmap text."""
    runs = [
        [number for _, number in run] for _, run in groupby(enumerate(sorted(numbers)), lambda item: item[1] - item[0])
    ]
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _differences(expected: Any, predicted: Any, path: str = "") -> Iterator[str]:
    """One line per differing leaf."""
    if isinstance(expected, dict) and isinstance(predicted, dict):
        for key in sorted(expected.keys() | predicted.keys()):
            yield from _differences(
                expected.get(key, "absent"), predicted.get(key, "absent"), f"{path}.{key}" if path else key
            )
    elif expected != predicted:
        yield f"{path}: recorded {json.dumps(expected)}, predicted {json.dumps(predicted)}"
