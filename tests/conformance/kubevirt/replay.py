"""Replays recorded boots and migrations of the real KubeVirt code through the guest model.

The format of the files is described in tests/golden/kubevirt/README.md. Every key of the recorded answers counts,
the absent ones too.
"""

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from extender.api.quantity import milli
from extender.kubelet.cpuset import bits, parse_cpus
from extender.kubelet.facts_json import machine_from_json
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.domain import Domain, GuestError
from extender.kubevirt.guest.size import GuestSize
from extender.kubevirt.migration.target_domain import libvirt_refusal, migrate
from tests.kit.io_threads import IoThreadsPolicy, io_thread_count

__all__ = ["cases", "cpus_of", "predict", "replay", "size_of"]

#: the keys of a case that KubeVirt and libvirt answered
_ANSWERS = ("observed", "observedBoot", "observedPrepare", "libvirt")
#: differences printed in full
_SHOWN = 10


def replay(files: list[str]) -> int:
    """Replays the files, prints the first differences and the totals; exit code 1 if any case differs or none came."""
    count = differing = 0
    for file in files:
        for where, case in cases(Path(file)):
            count += 1
            expected = {key: case[key] for key in _ANSWERS if key in case}
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


def cases(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The cases of one JSON-lines file, plain or gzipped, each with its place."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield f"{path}:{number}", json.loads(line)


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


def size_of(vm: dict[str, Any]) -> GuestSize:
    """The `vm` object of a case."""
    policy = IoThreadsPolicy(vm["ioThreadsPolicy"]) if "ioThreadsPolicy" in vm else None
    isolate = vm.get("isolateEmulatorThread", False)
    return GuestSize(
        sockets=vm["sockets"],
        cores=vm["cores"],
        threads=vm["threads"],
        memory_bytes=_bytes(vm["memory"]),
        page_bytes=_bytes(vm["pageSize"]) if vm.get("pageSize") else None,
        isolate_emulator=isolate,
        passthrough=vm.get("passthrough", False),
        even_parity=vm.get("evenParity", False),
        max_sockets=vm.get("maxSockets") or None,
        supplemental_pool=vm.get("supplementalPoolThreadCount", 0),
        io_threads=io_thread_count(policy, plain_disks=vm.get("disks", 0), dedicated_disks=0, isolate_emulator=isolate),
    )


def cpus_of(text: str) -> frozenset[int]:
    """The CPUs of a cpuset text such as "2-5,16"; "" is the empty set."""
    return frozenset(bits(parse_cpus(text, "cpuset")))


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


def _bytes(quantity: str | int) -> int:
    return milli(quantity) // 1000


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
