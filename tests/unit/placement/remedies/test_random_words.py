"""The rules about words, over random nodes and pods."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from extender.cache.events import Record
from tests.kit.migrations import target
from tests.kit.objects import GI, KUBELET_A, machine, node, nrt, pod, vmi
from tests.unit.kubevirt.test_devices import GPU, with_devices
from tests.unit.placement.remedies.scene import NO_MEMORY_MANAGER, Scene, edited, running
from tests.unit.placement.remedies.words import wrong_words

ROUNDS, SIZE = 10, 30
POLICIES = ("none", "best-effort", "restricted", "single-numa-node")
OPTIONS = ("full-pcpus-only", "distribute-cpus-across-numa", "prefer-align-cpus-by-uncorecache")


def _burstable(raw: dict[str, Any]) -> None:
    raw["status"]["qosClass"] = "Burstable"
    del raw["spec"]["containers"][0]["resources"]["limits"]["cpu"]


def _node(random: Random) -> Iterator[Record]:
    """Node `n`: stated, reported, or both."""
    policy, scope = random.choice(POLICIES), random.choice(("container", "pod"))
    zones, cores, threads = random.choice((1, 2, 2, 4)), random.choice((4, 8)), random.choice((1, 2, 2))
    guarded = random.random() < 0.5
    facts: dict[str, Any] = {
        **KUBELET_A,
        **({} if guarded else NO_MEMORY_MANAGER),
        "topologyManagerPolicy": policy,
        "topologyManagerScope": scope,
        "cpuManagerPolicyOptions": {random.choice(OPTIONS): "true"} if random.random() < 0.4 else {},
        "reservedSystemCPUs": "0" if threads == 1 else f"0,{zones * cores}",
    }
    shape = machine(zones=zones, cores=cores, threads=threads, pages=random.choice((8, 32)))
    memory = {"memory": 32 * GI, "hugepages-1Gi": 32 * GI} if guarded else {}
    gpus = {GPU: random.choice((1, 2))} if random.random() < 0.4 else {}
    cpus = cores * threads
    free = [{"cpu": cpus - threads * (zone == 0), **memory, **gpus} for zone in range(zones)]
    report = nrt("n", free, policy, scope, capacity=cpus, reserved=(threads,))
    known = random.choice(("stated", "stated", "reported", "both"))
    if known == "reported":
        stated = {key: facts[key] for key in ("memoryManagerPolicy", "cpuManagerPolicyOptions")}
        yield node("n", stated)
    else:
        yield node("n", facts, shape)
    if known != "stated":
        yield report


def _pods(random: Random) -> Iterator[Record]:
    for number in range(random.choice((0, 0, 1, 2, 4))):
        record = running(f"r{number}", random.choice((1, 2, 3, 5, 8)), random.choice((0, 0, 1, 4, 16)))
        if random.random() < 0.3:
            record = edited(record, _burstable)
        yield with_devices(record, gpu=1) if random.random() < 0.2 else record


def _scene(random: Random) -> Scene:
    records = [*_node(random), *_pods(random)]
    vcpus, gib = random.choice((1, 2, 4, 8, 9, 12, 16, 20, 30)), random.choice((0, 1, 4, 8, 16, 30, 48))
    isolate, sees = random.random() < 0.5, bool(gib) and random.random() < 0.6
    if sees:
        threads = random.choice((1, 2)) if vcpus % 2 == 0 else 1
        records.append(vmi("vm", vcpus, gib, threads, isolate=isolate))
    make = target if sees and random.random() < 0.3 else pod
    asked = make("vm", vcpus + isolate, gib, sidecar=random.random() < 0.5)
    if random.random() < 0.15:
        asked = with_devices(asked, gpu=random.choice((1, 2, 3)))
    return Scene(asked, *records)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_of_random_clusters(seed: int) -> None:
    """No remedy that is already true, nothing that is contradicted by the next sentence, no amounts of a refused pod."""
    random = Random(seed)
    for number in range(SIZE):
        scene = _scene(random)
        answer = scene.at()
        assert list(wrong_words(scene.cluster, answer)) == [], (seed, number, answer)
