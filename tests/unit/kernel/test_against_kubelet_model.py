"""Counts against the exact kubelet model on recorded node lives: whatever counts decide must be what the model does.

The recordings' fake device hints have no counts; those pods are admitted by the model alone, and so are pods with
resources of their own where the kubelet does not know them: such a VM is unknown (`PodLevelResources`).
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from _fastfit import LAST_UNKNOWN, Code, Entry, Placement, Row
from extender.kubelet.admission import Kubelet
from extender.kubelet.facts_json import config_from_json, machine_from_json
from extender.kubelet.pod import Kind, PodDemand
from extender.kubelet.results import Admitted
from tests.kit import golden
from tests.kit.kernel.backends import Backend
from tests.kit.kernel.rows import answer, ask_of, place, row_of

GOLDEN = Path(__file__).parents[2] / "golden" / "kubelet"
#: file -> the largest share of admissions that counts may leave unknown.
FILES = {
    "vm.jsonl.gz": 0.0,
    "random.jsonl.gz": 0.02,
    "align-1.36.2.jsonl.gz": 0.05,
    "align-1.37.2.jsonl.gz": 0.05,
    "releases-1.33.13.jsonl.gz": 0.1,
    "releases-1.34.4.jsonl.gz": 0.1,
}
#: Every so many-th life is played; the plain kernel is slower.
STRIDE = {"cython": 2, "python": 10}


@pytest.mark.parametrize("name", FILES)
def test_counts_agree_with_the_model(backend: Backend, name: str) -> None:
    """Same verdict on every decided admission; where the pod is admitted, the same CPUs per zone and memory zones."""
    path = str(GOLDEN / name)
    version = golden.version_of_file(path)
    seen: Counter[str] = Counter()
    for number, scenario in enumerate(golden.scenarios(path)):
        if number % STRIDE[backend.name] == 0 and "startError" not in scenario:
            _play(backend, scenario, version, seen)
    assert seen["admitted"] > 100
    assert seen["refused"] > 100
    assert seen["unknown"] <= FILES[name] * seen.total()


def _play(backend: Backend, scenario: dict[str, Any], version: str, seen: Counter[str]) -> None:
    node = Kubelet(
        machine_from_json(scenario["machine"], "machine"), config_from_json(scenario["kubelet"], "kubelet"), version
    )
    for step in scenario["steps"]:
        if "remove" in step:
            node.remove(step["remove"])
        if "admit" not in step:
            continue
        pod, hints = golden.demand(step["admit"]), golden.device_hints(step["admit"])
        if hints or pod.as_seen_by(version) is not pod:
            node.admit(pod, hints or None)
            continue
        where = f"{scenario.get('name')} {pod.uid}"
        row, ask = row_of(node), ask_of(pod)
        entry = answer(backend, row, ask)
        placed = place(backend, row, ask)
        seen[_compare(node, pod, row, entry, placed, where)] += 1


def _compare(node: Kubelet, pod: PodDemand, row: Row, entry: Entry, placed: Placement | None, where: str) -> str:
    """Admits the pod on the model and compares; how the admission counts."""
    truth = node.admit(pod)
    if Code.Fits < entry.code <= LAST_UNKNOWN:
        return "unknown"
    assert (entry.code == Code.Fits) == isinstance(truth, Admitted), f"{where}: {Code(entry.code)}, {truth}"
    if not isinstance(truth, Admitted):
        return "refused"
    assert placed is not None
    position = {zone.id: place for place, zone in enumerate(row.zones)}
    zone_of = {
        cpu: place for place, host in enumerate(node.machine.zones) for core in host.cores for cpu in core.threads
    }
    held = [0] * len(row.zones)
    for cpu in {cpu for given in truth.containers.values() for cpu in given.cpus}:
        held[zone_of[cpu]] += 1
    inits = any(part.kind is Kind.INIT and part.exclusive_cpus for part in pod.containers)
    if placed.exact and not inits and not pod.pod_level:
        assert list(placed.cpus) == held, where
    masks = {
        (index, block.resource): sum(1 << position[zone] for zone in block.zones)
        for index, part in enumerate(pod.containers)
        for block in truth.containers[part.name].memory
    }
    assert {(block.container, block.resource): block.mask for block in placed.blocks} == masks, where
    bytes_held = {
        (index, block.resource): block.bytes
        for index, part in enumerate(pod.containers)
        for block in truth.containers[part.name].memory
    }
    assert {(block.container, block.resource): block.bytes for block in placed.blocks} == bytes_held, where
    return "admitted"
