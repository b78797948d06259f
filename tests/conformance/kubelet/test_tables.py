"""The decision table and the merge vectors, row by row, on the real managers: the same rows as the twin's own tests."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from extender.kubelet.facts_json import config_to_json, machine_to_json
from extender.kubelet.pod import ContainerDemand, Kind, PodDemand
from tests.kit.decision_rows import NINE, ROWS, Row, Step
from tests.kit.kubelet_nodes import DEVICE, B, config
from tests.kit.oracle.kubelet.process import Oracle
from tests.unit.kubelet.test_merge import COLUMNS, REFUSE, VECTORS, device_hints

#: Hints of a device that sits on zone 0 only: the table's rows ask for one, and there are four.
ON_ZONE_0 = {DEVICE: [{"numa": [0], "preferred": True}]}


def container_spec(container: ContainerDemand, *, guaranteed: bool) -> dict[str, Any]:
    """A container of the API that makes this demand; any fraction of a CPU stands for all of them."""
    amounts = {"cpu": str(container.exclusive_cpus) if container.exclusive_cpus else "1500m", "memory": "1Gi"}
    amounts |= {name: str(amount) for name, amount in container.memory}
    resources = {"requests": amounts, "limits": amounts if guaranteed else amounts | {"memory": "999Gi"}}
    spec: dict[str, Any] = {"name": container.name, "image": "x", "resources": resources}
    return spec | {"restartPolicy": "Always"} if container.kind is Kind.SIDECAR else spec


def admission(pod: PodDemand) -> dict[str, Any]:
    """The `admit` step of this demand."""
    containers = [container_spec(container, guaranteed=pod.guaranteed) for container in pod.containers]
    apps = sum(container.kind is Kind.APP for container in pod.containers)
    spec: dict[str, Any] = {"initContainers": containers[:-apps], "containers": containers[-apps:]}
    if pod.pod_level:
        amounts = {"cpu": "4", "memory": "4Gi"}
        spec["resources"] = {"requests": amounts, "limits": amounts}
    devices = any(container.devices for container in pod.containers)
    return {"uid": pod.uid, "spec": spec, **({"deviceHints": ON_ZONE_0} if devices else {})}


def life(row: Row) -> dict[str, Any]:
    """The row as a scenario that ends with a look at the state."""
    steps: list[dict[str, Any]] = []
    for step in row.steps:
        if isinstance(step, str):
            steps.append({"remove": step})
        else:
            steps.append({"admit": admission(step if isinstance(step, PodDemand) else step.pod)})
    return {
        "name": row.id,
        "kubelet": config_to_json(row.node.config),
        "machine": machine_to_json(row.node.machine),
        "steps": [*steps, {"state": {}}],
    }


def test_every_row_is_here() -> None:
    """No number of the table is left out."""
    assert {row.number for row in ROWS} == set(range(1, 55))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_decision_table(row: Row, oracle: Oracle) -> None:
    """The real managers answer each step of the row as the table says, and end in its state."""
    played = oracle.play(life(row))
    assert "startError" not in played
    for step, told in zip(row.steps, played["steps"], strict=False):
        if isinstance(step, PodDemand):
            assert told["observed"]["admit"], step.uid
        elif isinstance(step, Step):
            _check(step, told["observed"])
    state = played["steps"][-1]["state"]
    for key, wanted in row.state.items():
        found = state[key] if key in state else state["memory"][key]
        assert (wanted if isinstance(wanted, str) else {**found, **wanted}) == found


def _check(step: Step, told: Mapping[str, Any]) -> None:
    assert told["admit"] is not bool(step.reason)
    assert told.get("reason", "") == step.reason
    assert step.says in told.get("message", "")
    main = told["containers"]["c0"]
    if step.hint is not None:
        assert main["hint"] == list(step.hint)
    if step.preferred is not None:
        assert main["preferred"] is step.preferred
    if step.cpus is not None:
        wanted = {"c0": step.cpus} if isinstance(step.cpus, str) else step.cpus
        assert {name: told["containers"][name]["cpus"] for name in wanted} == dict(wanted)
    if step.memory is not None:
        zones: Mapping[str, Sequence[int]]
        zones = step.memory if isinstance(step.memory, Mapping) else {"c0": step.memory}
        for name, expected in zones.items():
            blocks = told["containers"][name]["memory"]
            assert bool(blocks) == bool(expected), name
            assert all(block["numa"] == list(expected) for block in blocks), name


def test_row54_without_the_option(oracle: Oracle) -> None:
    """Nine zones without max-allowable-numa-nodes: the real kubelet does not start."""
    settings = config("BE", "0", memory=False)
    played = oracle.play({"name": "row54", "kubelet": settings, "machine": NINE, "steps": [{"state": {}}]})
    assert "unsupported on machines with more than 8 NUMA Nodes" in played["startError"]
    assert played["steps"] == []


@pytest.mark.parametrize("column", range(4), ids=["best-effort", "closest", "restricted", "single"])
@pytest.mark.parametrize("row", range(len(VECTORS)), ids=lambda row: f"vector{row + 1:02}")
def test_merge_vectors(row: int, column: int, oracle: Oracle) -> None:
    """A Burstable pod on machine B, whose only hints are those of the vector."""
    policy, options = COLUMNS[column]
    hints = {
        resource: None if entries is None else [{"numa": zones, "preferred": preferred} for zones, preferred in entries]
        for resource, entries in device_hints(VECTORS[row][0]).items()
    }
    spec = container_spec(ContainerDemand("c0", Kind.APP, 1), guaranteed=False)
    admit = {"uid": "p", "spec": {"initContainers": [], "containers": [spec]}, "deviceHints": hints}
    settings = config(policy, "0,16", options=options, memory=False)
    played = oracle.play({"name": f"vector {row}", "kubelet": settings, "machine": B, "steps": [{"admit": admit}]})
    told = played["steps"][0]["observed"]
    wanted = VECTORS[row][1 + column]
    if wanted == REFUSE:
        assert (told["admit"], told["reason"]) == (False, "TopologyAffinityError")
    else:
        held = told["containers"]["c0"]
        assert "{" + ",".join(map(str, held["hint"])) + "}" + ("p" if held["preferred"] else "n") == wanted
