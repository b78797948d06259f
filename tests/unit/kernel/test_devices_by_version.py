"""Devices of a zone under kubelets of both rules: hints on all zones (before 1.36), or on those that have devices."""

from collections import Counter
from random import Random

import pytest

from _fastfit import LAST_UNKNOWN, Code
from extender.kubelet.admission import Kubelet
from extender.kubelet.facts_json import config_from_json, machine_from_json
from extender.kubelet.pod import ContainerDemand, Kind, PodDemand
from extender.kubelet.results import Admitted
from tests.kit.generate.configurations import configuration
from tests.kit.generate.machines import machine
from tests.kit.kernel.backends import Backend
from tests.kit.kernel.rows import answer, ask_of, place, row_of

GPU, NIC = "example.com/gpu", "example.com/nic"


@pytest.mark.parametrize("version", ["1.33", "1.35", "1.36", "1.37"])
def test_counts_agree_with_the_model(backend: Backend, version: str) -> None:
    """Same verdict, and the same CPUs per zone, for pods with CPUs and devices on random nodes."""
    seen: Counter[str] = Counter()
    for number in range(120):
        rng = Random(number)
        node = machine(rng, 2, 4)
        config = configuration(rng, node) | {"cpuManagerPolicy": "static", "memoryManagerPolicy": "None"}
        config |= {"topologyManagerPolicy": rng.choice(("best-effort", "restricted")), "cpuManagerPolicyOptions": {}}
        config |= {"reservedMemory": [], "topologyManagerPolicyOptions": {}}
        devices = {name: {zone["id"]: rng.choice((0, 0, 1, 2, 4)) for zone in node["numa"]} for name in (GPU, NIC)}
        for counts in devices.values():
            counts[rng.choice(list(counts))] = 2
        cpus = sum(len(core["threads"]) for zone in node["numa"] for core in zone["cores"])
        kubelet = Kubelet(machine_from_json(node, "machine"), config_from_json(config, "kubelet"), version, devices)
        for uid in range(4):
            wanted = tuple((name, rng.randint(1, 3)) for name in (GPU, NIC) if rng.random() < 0.6)
            demand = ContainerDemand("c0", Kind.APP, rng.randint(1, max(1, cpus // 2)), devices=wanted)
            seen[_compare(backend, kubelet, PodDemand(str(uid), True, False, (demand,)))] += 1
    assert seen["admitted"] > 100
    assert seen["refused"] > 50


def _compare(backend: Backend, kubelet: Kubelet, pod: PodDemand) -> str:
    row, ask = row_of(kubelet), ask_of(pod)
    entry, placed, truth = answer(backend, row, ask), place(backend, row, ask), kubelet.admit(pod)
    if Code.Fits < entry.code <= LAST_UNKNOWN:
        return "unknown"
    assert (entry.code == Code.Fits) == isinstance(truth, Admitted), (Code(entry.code), truth)
    if not isinstance(truth, Admitted):
        return "refused"
    zone_of = {cpu: at for at, host in enumerate(kubelet.machine.zones) for core in host.cores for cpu in core.threads}
    held = Counter(zone_of[cpu] for cpu in truth.containers["c0"].cpus)
    assert placed is not None
    if placed.exact:
        assert list(placed.cpus) == [held[at] for at in range(len(row.zones))]
    return "admitted"
