"""Random boots and migrations in the golden format (tests/golden/kubevirt/README.md), without answers.

What varies: tests/kit/generate; here how they meet. Left out is what panics in KubeVirt's code and no pod gets: IO
threads that share the vCPUs' CPUs, on a cpuset with less CPUs than vCPUs.
"""

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from tests.kit.generate.hosts import cpuset, host, place, zone_sizes
from tests.kit.generate.vms import cpus_asked, vcpus, vm

__all__ = ["cases"]


def cases(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """Yield `count` cases, migrations and boots in turn. Number n of a seed is always the same."""
    for number in range(count):
        rng = Random(f"{seed} {number}")
        made = _migration(rng) if number % 2 else _boot(rng)
        yield made | {"name": f"seed {seed} number {number}"}


def _boot(rng: Random) -> dict[str, Any]:
    machine = host(rng)
    guest = _fitting(rng, vm(rng, zone_sizes(machine)), sum(zone_sizes(machine)))
    cpus = cpuset(rng, machine, cpus_asked(guest))
    return place(machine, cpus) | {"vm": _without_panic(guest, len(cpus) < vcpus(guest))}


def _migration(rng: Random) -> dict[str, Any]:
    source = host(rng)
    target = source if rng.random() < 0.6 else host(rng)
    room = min(sum(zone_sizes(source)), sum(zone_sizes(target)))
    guest = _fitting(rng, vm(rng, zone_sizes(source)), room)
    at_boot = guest
    made: dict[str, Any] = {}
    if "maxSockets" in guest and rng.random() < 0.6:
        at_boot, guest, made["boot"] = _plugged(rng, guest)
    before = cpuset(rng, source, cpus_asked(at_boot))
    if source is target and rng.random() < 0.1:
        after = before
    else:
        after = cpuset(rng, target, cpus_asked(guest))
    short = len(before) < vcpus(at_boot) or len(after) < vcpus(guest)
    made |= {"source": place(source, before), "target": place(target, after)}
    return made | {"vm": _without_panic(guest, short)}


def _fitting(rng: Random, guest: dict[str, Any], room: int) -> dict[str, Any]:
    """The VM cut to what `room` CPUs hold, most of the time: a shortage is only one error among many."""
    if rng.random() < 0.08:
        return guest
    while guest["sockets"] > 1 and cpus_asked(guest) > room:
        guest = guest | {"sockets": guest["sockets"] - 1}
    return guest


def _plugged(rng: Random, guest: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, int]]:
    """The VM at boot and now, with sockets added since; some of them were plugged by an earlier migration."""
    booted = guest["sockets"]
    now = min(booted + rng.choice((0, 1, 2, booted // 2, booted)), guest["maxSockets"])
    boot = {"sockets": booted}
    if rng.random() < 0.4:
        boot["enabledSockets"] = rng.randint(booted, now)
    return guest, guest | {"sockets": now}, boot


def _without_panic(guest: Mapping[str, Any], short: bool) -> dict[str, Any]:
    keep = guest["isolateEmulatorThread"] or not short
    return {key: value for key, value in guest.items() if keep or key not in ("ioThreadsPolicy", "disks")}
