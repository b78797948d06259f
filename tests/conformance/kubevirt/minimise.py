"""Shrinks a case that shows a difference to the smallest one that still does."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from extender.kubelet.cpuset import bits, format_cpus, from_ids, parse_cpus
from tests.conformance.shared import Case, shrunk, without_distance

__all__ = ["minimise"]

#: Keys of a VM that a plain one does not have.
_KNOBS: Final = ("ioThreadsPolicy", "supplementalPoolThreadCount", "evenParity", "isolateEmulatorThread")


def minimise(case: Mapping[str, Any], differs: Callable[[Case], bool]) -> Case:
    """Return a reduced case for which `differs` holds still; see `shrunk`.

    In this order: the migration, the VM's knobs, its vCPUs, the cpusets, the machines.
    """
    return shrunk(case, differs, (_only_a_boot, _plainer_vm, _fewer_vcpus, _fewer_cpus, _smaller_machine))


def _only_a_boot(case: Case) -> Iterator[Case]:
    """A boot on the target, or of the source, in place of a migration."""
    if "target" not in case:
        return
    vm, boot = case["vm"], case.get("boot", {})
    named = {"name": case.get("name", "")}
    yield named | case["target"] | {"vm": vm}
    yield named | case["source"] | {"vm": vm | {"sockets": boot.get("sockets", vm["sockets"])}}
    if boot:
        yield {key: value for key, value in case.items() if key != "boot"}


def _plainer_vm(case: Case) -> Iterator[Case]:
    vm = case["vm"]
    for knob in _KNOBS:
        if vm.get(knob):
            yield case | {"vm": vm | {"isolateEmulatorThread": False} if knob == _KNOBS[-1] else _without(vm, knob)}
    if "maxSockets" in vm and "boot" not in case:
        yield case | {"vm": _without(vm, "maxSockets")}
    if vm.get("cores", 1) > 1:
        yield case | {"vm": vm | {"cores": 1}}


def _without(vm: Mapping[str, Any], knob: str) -> dict[str, Any]:
    return {key: value for key, value in vm.items() if key != knob}


def _fewer_vcpus(case: Case) -> Iterator[Case]:
    vm = case["vm"]
    for sockets in sorted({1, vm["sockets"] // 2, vm["sockets"] - 1}):
        if 0 < sockets < vm["sockets"] and "boot" not in case:
            yield case | {"vm": vm | {"sockets": sockets}}


def _fewer_cpus(case: Case) -> Iterator[Case]:
    """Without runs of the cpuset's CPUs, long ones first."""
    for at, (cpuset, _) in _places(case):
        cpus = list(bits(parse_cpus(cpuset, "cpuset")))
        size = len(cpus) // 2
        while size:
            for start in range(0, len(cpus), size):
                kept = cpus[:start] + cpus[start + size :]
                if kept:
                    yield _with(case, at, {"cpuset": format_cpus(from_ids(kept))})
            size //= 2


def _smaller_machine(case: Case) -> Iterator[Case]:
    """Without zones, or without cores, of which the cpuset has no CPU."""
    for at, (cpuset, machine) in _places(case):
        used = set(bits(parse_cpus(cpuset, "cpuset")))
        zones = machine["numa"]
        for position, zone in enumerate(zones):
            if len(zones) > 1 and used.isdisjoint(cpu for core in zone["cores"] for cpu in core["threads"]):
                rest = [without_distance(other, position) for other in zones if other is not zone]
                yield _with(case, at, {"machine": machine | {"numa": rest}})
            kept = [core for core in zone["cores"] if not used.isdisjoint(core["threads"])]
            if len(kept) < len(zone["cores"]) and kept:
                thinner = [zone | {"cores": kept} if other is zone else other for other in zones]
                yield _with(case, at, {"machine": machine | {"numa": thinner}})


def _places(case: Case) -> Iterator[tuple[str, tuple[str, Any]]]:
    """Each place of the case: its key ("" for a boot's own), cpuset and machine."""
    for at in ("source", "target"):
        if at in case:
            yield at, (case[at]["cpuset"], case[at]["machine"])
    if "machine" in case:
        yield "", (case["cpuset"], case["machine"])


def _with(case: Case, at: str, changes: Mapping[str, Any]) -> Case:
    return {**case, at: {**case[at], **changes}} if at else {**case, **changes}
