"""The kernel's verdict on migration targets, by counts, against the exact outcome, by CPU ids: random VMs and hosts.

No target may pass that would fail for certain, none may be refused that would work, and the rank's first part must order
targets as the exact share of local vCPUs does.
"""

import functools
import random
from collections import Counter
from typing import Any

import pytest

from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.placement.answers import PodAnswer
from extender.placement.outcomes import Outcome
from tests.kit.migration_cluster import FAILURES, put_host, record_of
from tests.kit.migration_rows import Host, Vm
from tests.kit.migrations import running, target
from tests.kit.verbs import explained

CASES = 80
_POLICIES = ("none", "none", "none", "best-effort", "restricted", "single-numa-node")


def _vm(draw: random.Random) -> Vm:
    vcpus, gib = draw.choice([4, 7, 12, 16, 18, 20, 24]), draw.choice([4, 8, 15, 16, 31, 32])
    threads = 2 if vcpus % 2 == 0 and draw.random() < 0.3 else 1
    return Vm(vcpus, gib, threads, isolate=draw.random() < 0.8)


def _host(draw: random.Random) -> Host:
    zones = draw.choice([2, 2, 3, 4])
    return Host(
        draw.choice(_POLICIES),
        tuple(draw.choice([2, 5, 9, 12]) for _ in range(draw.randrange(4))),
        zones=zones,
        cores=draw.choice([8, 8, 10]),
        threads=draw.choice([1, 2, 2, 2]),
        pages=tuple(draw.choice([0, 16, 32, 64, 64]) for _ in range(zones)),
        memory_manager=False,
    )


def _fill(cluster: Cluster, name: str, host: Host) -> None:
    """The host with its pods; those that its kubelet refuses are not there."""
    fitting: list[int] = []
    for cpus in host.busy:
        try:
            Host(**{**_fields(host), "busy": (*fitting, cpus)}).kubelet()
        except AssertionError:
            continue
        fitting.append(cpus)
    put_host(cluster, name, Host(**{**_fields(host), "busy": tuple(fitting)}))


def _fields(host: Host) -> dict[str, Any]:
    return {name: getattr(host, name) for name in host.__dataclass_fields__}


@functools.cache
def _case(seed: int) -> tuple[Vm, PodAnswer]:
    """One VM that booted somewhere, and what is said of six possible targets."""
    draw = random.Random(seed)
    vm = _vm(draw)
    cluster = Cluster()
    _fill(cluster, "source", _host(draw))
    cluster.put(Source.VMIS, record_of(vm))
    cluster.put(Source.PODS, running("vm", "source", vm.vcpus + vm.isolate, vm.gib, sidecar=vm.sidecar))
    for number in range(6):
        _fill(cluster, f"n{number}", _host(draw))
    cluster.make_rows()
    return vm, explained(cluster, target("vm", vm.vcpus + vm.isolate, vm.gib, sidecar=vm.sidecar))


@pytest.mark.parametrize("seed", range(CASES))
def test_verdict_and_outcome_agree(seed: int) -> None:
    """Refused are exactly the certain failures; and guests of one thread per core rank by the exact share."""
    vm, answer = _case(seed)
    shares = []
    for found in answer.nodes:
        assert found.migration is not None
        if found.migration.outcome in (Outcome.SOURCE_NODE, Outcome.NOT_KNOWN):
            continue
        refused = found.verdict == "refused"
        assert refused == (found.migration.outcome in FAILURES), (found.node, found.code, found.migration)
        if not refused and found.migration.local is not None:
            shares.append((found.migration.outcome is Outcome.SYMMETRIC, int(found.migration.local * 254)))
    if vm.threads == 1:
        assert shares == sorted(shares, reverse=True)


def test_the_random_cases_are_worth_it() -> None:
    """Every outcome is met often enough, so agreement means something."""
    met = Counter(
        found.migration.outcome
        for seed in range(CASES)
        for found in _case(seed)[1].nodes
        if found.migration is not None
    )
    wanted = {Outcome.SYMMETRIC, Outcome.OTHER_SPLIT, Outcome.FEWER_CELLS, Outcome.MORE_CELLS, Outcome.PAGES_SHORT}
    assert all(met[outcome] >= 4 for outcome in wanted), met
