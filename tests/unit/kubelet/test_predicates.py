"""The kubelet's sums, rule by rule: what a pod requests, what is compared, reasons and messages."""

from typing import Any

import pytest
from msgspec import convert

from extender.api.objects import Pod
from extender.errors import BadObject
from extender.kubelet.predicates import Allocatable, Used, is_critical, pod_requests, shortages, used_by
from tests.kit.kubelet_nodes import pod_object

GI = 1 << 30
PLENTY = Allocatable({"cpu": 64_000, "memory": 256 * GI, "ephemeral-storage": 100 * GI, "pods": 110})


def asking(*requests: dict[str, Any], **spec: Any) -> Pod:
    """A pod with one app container per dict of requests."""
    containers = [{"name": f"c{i}", "resources": {"requests": asked}} for i, asked in enumerate(requests)]
    return pod_object("u", {"containers": containers, **spec})


def init(name: str, sidecar: bool, **requests: str) -> dict[str, Any]:
    return {"name": name, "resources": {"requests": requests}, **({"restartPolicy": "Always"} if sidecar else {})}


def node(**amounts: int) -> Allocatable:
    return Allocatable({**PLENTY.amounts, **amounts})


def reasons(pod: Pod, allocatable: Allocatable, used: Used | None = None) -> list[str]:
    return [short.reason for short in shortages(pod, allocatable, used or Used())]


# --- what a pod requests ---------------------------------------------------------------------------------------------


def test_app_containers_add_up() -> None:
    """CPUs in thousandths, others in units, rounded up once for the pod."""
    assert pod_requests(asking({"cpu": "1500m"}, {"cpu": "2", "memory": "1500m"}, {"memory": "600m"})) == {
        "cpu": 3500,
        "memory": 3,
    }


@pytest.mark.parametrize(
    ("inits", "cpus"),
    [
        ([init("a", False, cpu="3")], 3000),  # alone, before the app's 2
        ([init("a", False, cpu="1")], 2000),
        ([init("s", True, cpu="1")], 3000),  # a sidecar runs beside the app
        ([init("s", True, cpu="1"), init("a", False, cpu="3")], 4000),  # an init container beside the sidecar before it
        ([init("a", False, cpu="3"), init("s", True, cpu="1")], 3000),  # and not beside one that starts after it
        ([init("s", True, cpu="1"), init("t", True, cpu="2")], 5000),
    ],
)
def test_init_containers_and_sidecars(inits: list[dict[str, Any]], cpus: int) -> None:
    """The most that is asked for at one time."""
    assert pod_requests(asking({"cpu": "2"}, initContainers=inits))["cpu"] == cpus


def test_requests_default_to_limits() -> None:
    """As at the API server."""
    pod = pod_object(
        "u", {"containers": [{"name": "c", "resources": {"limits": {"hugepages-1Gi": "2Gi", "cpu": "1"}}}]}
    )
    assert pod_requests(pod) == {"cpu": 1000, "hugepages-1Gi": 2 * GI}


def test_overhead_is_added() -> None:
    """spec.overhead of a RuntimeClass."""
    assert pod_requests(asking({"memory": "1Gi"}, overhead={"memory": "120Mi", "cpu": "250m"})) == {
        "memory": GI + 120 * (1 << 20),
        "cpu": 250,
    }


@pytest.mark.parametrize(
    ("resources", "cpu", "memory"),
    [
        ({"requests": {"cpu": "8"}}, 8000, GI),  # replaces the sum; memory stays that of the containers
        ({"limits": {"cpu": "8"}}, 2000, GI),  # completed from the containers
        ({"limits": {"cpu": "8", "memory": "3Gi"}, "requests": {"memory": "2Gi"}}, 2000, 2 * GI),
    ],
)
def test_pod_level_resources(resources: dict[str, Any], cpu: int, memory: int) -> None:
    """Pod-level requests replace the sum of the containers, before the overhead."""
    found = pod_requests(asking({"cpu": "2", "memory": "1Gi"}, resources=resources, overhead={"cpu": "100m"}))
    assert (found["cpu"], found["memory"]) == (cpu + 100, memory)


def test_a_resize_counts_as_granted() -> None:
    """status.containerStatuses[].allocatedResources; the spec is a wish."""
    status = {"containerStatuses": [{"name": "c0", "allocatedResources": {"cpu": "4", "memory": "1Gi"}}]}
    pod = pod_object(
        "u", {"containers": [{"name": "c0", "resources": {"requests": {"cpu": "6", "memory": "2Gi"}}}]}, status
    )
    assert pod_requests(pod) == {"cpu": 4000, "memory": GI}


def test_names_that_no_sum_holds() -> None:
    """A name without a prefix is no resource of the scheduler; prefixed ones, huge pages and attachable volumes are."""
    asked = {
        "odd": "1",
        "requests.x/y": "1",
        "example.com/gpu": "1",
        "attachable-volumes-csi": "1",
        "kubernetes.io/x": "1",
    }
    assert set(pod_requests(asking(asked))) == {"example.com/gpu", "attachable-volumes-csi", "kubernetes.io/x"}


@pytest.mark.parametrize("bad", ["-1", "many"])
def test_bad_amounts_are_named(bad: str) -> None:
    """With container and resource."""
    with pytest.raises(BadObject, match="container 'c0': memory"):
        pod_requests(asking({"memory": bad}))


# --- what is compared ------------------------------------------------------------------------------------------------


def test_the_order_of_the_kubelet() -> None:
    """Pods, cpu, memory, ephemeral-storage, then the others; the first is the reason."""
    asked = {"cpu": "1", "memory": "1", "ephemeral-storage": "1", "hugepages-2Mi": "2Mi", "example.com/gpu": "1"}
    nothing = Allocatable(dict.fromkeys(["cpu", "memory", "ephemeral-storage", "pods", "example.com/gpu"], 0))
    assert reasons(asking(asked), nothing) == [
        "OutOfpods",
        "OutOfcpu",
        "OutOfmemory",
        "OutOfephemeral-storage",
        "OutOfexample.com/gpu",
        "OutOfhugepages-2Mi",
    ]


def test_the_message() -> None:
    """Numbers as the kubelet writes them: CPUs in thousandths, bytes without a unit."""
    (short,) = shortages(asking({"cpu": "2"}), node(cpu=8000), Used({"cpu": 6001}, 1))
    assert short.message == "Node didn't have enough resource: cpu, requested: 2000, used: 6001, capacity: 8000"
    assert (short.missing, short.never) == (1, False)


def test_exactly_enough_fits() -> None:
    """The last CPU, the last pod."""
    assert reasons(asking({"cpu": "2"}), node(cpu=8000, pods=2), Used({"cpu": 6000}, 1)) == []


def test_what_is_not_asked_for_is_not_short() -> None:
    """A node that is overcommitted already takes a pod that asks for nothing of that; zero is nothing."""
    assert reasons(asking({"cpu": "0"}), node(cpu=1000, memory=0), Used({"cpu": 2000, "memory": 5}, 3)) == []


def test_extended_resources_that_the_node_lacks_are_left_out() -> None:
    """Cluster-level resources are not the node's business; an allocatable of zero is one that it has none left of."""
    pod = asking({"example.com/gpu": "1"})
    assert reasons(pod, PLENTY) == []
    assert reasons(pod, Allocatable({**PLENTY.amounts, "example.com/gpu": 0})) == ["OutOfexample.com/gpu"]


def test_huge_pages_that_the_node_lacks_are_short() -> None:
    """They are no extended resource. A report that is cut short says nothing of them."""
    pod = asking({"hugepages-1Gi": "1Gi"})
    assert reasons(pod, PLENTY) == ["OutOfhugepages-1Gi"]
    assert reasons(pod, Allocatable({"cpu": 1}, frozenset({"pods"}), partial=True)) == []


def test_unknown_amounts_are_not_judged() -> None:
    """Neither short nor enough."""
    assert reasons(asking({"ephemeral-storage": "1"}), Allocatable({"pods": 1}, frozenset({"ephemeral-storage"}))) == []


def test_devices_that_the_device_manager_holds_count_as_allocatable() -> None:
    """The node's status may lag behind the plugin."""
    late = Allocatable({**PLENTY.amounts, "example.com/gpu": 0}).with_devices({"example.com/gpu": 2})
    assert reasons(asking({"example.com/gpu": "1"}), late, Used({"example.com/gpu": 1}, 1)) == []
    assert PLENTY.with_devices({}) is PLENTY


def test_pods_are_counted_with_what_they_ask() -> None:
    """Those without requests too."""
    assert used_by([asking({"cpu": "1"}), asking({}), asking({"cpu": "500m"})]) == Used({"cpu": 1500}, 3)


@pytest.mark.parametrize(
    ("meta", "spec", "critical"),
    [
        ({}, {"priority": 2_000_000_000}, True),
        ({}, {"priority": 1_000_000_000}, False),
        ({"annotations": {"kubernetes.io/config.source": "file"}}, {}, True),
        ({"annotations": {"kubernetes.io/config.source": "api"}}, {}, False),
        ({"annotations": {"kubernetes.io/config.mirror": "x"}}, {}, True),
    ],
)
def test_critical_pods_are_not_refused(meta: dict[str, Any], spec: dict[str, Any], critical: bool) -> None:
    """The kubelet evicts others for them."""
    containers = [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]
    pod = convert({"metadata": {"name": "p", **meta}, "spec": {"containers": containers, **spec}}, Pod)
    assert is_critical(pod) is critical
    assert (reasons(pod, node(cpu=0)) == []) is critical
