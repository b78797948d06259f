"""What a pod asks of the kubelet: quality of service, exclusive CPUs, memory, devices, bad amounts."""

from typing import Any

import pytest

from extender.errors import BadObject
from extender.kubelet.pod import ContainerDemand, Kind, pod_demand
from tests.kit.kubelet_nodes import DEVICE, GI, container, pod, pod_object


def one(requests: dict[str, Any] | None, limits: dict[str, Any] | None, **more: Any) -> Any:
    resources = {key: value for key, value in (("requests", requests), ("limits", limits)) if value is not None}
    spec = {"containers": [{"name": "c", "resources": resources}]}
    return pod_demand(pod_object("u", spec | more.pop("spec", {}), more.get("status")))


FULL = {"cpu": "2", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("requests", "limits", "guaranteed"),
    [
        (FULL, FULL, True),
        (None, FULL, True),  # requests default to limits
        ({"cpu": "2000m", "memory": "1024Mi"}, FULL, True),
        (FULL, None, False),
        ({"cpu": "1", "memory": "1Gi"}, FULL, False),
        (FULL, {"cpu": "2"}, False),
        ({}, {"cpu": "2"}, False),
        ({"cpu": "0", "memory": "0"}, {"cpu": "0", "memory": "0"}, False),
        (None, None, False),
    ],
)
def test_quality_of_service(requests: dict[str, str] | None, limits: dict[str, str] | None, guaranteed: bool) -> None:
    """Guaranteed: every container limits CPU and memory, and requests what it limits."""
    assert one(requests, limits).guaranteed is guaranteed


def test_every_container_counts() -> None:
    """An init container without limits makes the pod Burstable."""
    assert pod("p", "2c", init=["+15m"]).guaranteed
    spec = {"containers": [container("c", "2c")], "initContainers": [{"name": "i"}]}
    assert not pod_demand(pod_object("p", spec)).guaranteed


def test_status_decides() -> None:
    """The class that the API server recorded wins over the computed one."""
    assert not one(FULL, FULL, status={"qosClass": "Burstable"}).guaranteed
    assert one(FULL, None, status={"qosClass": "Guaranteed"}).guaranteed


@pytest.mark.parametrize(
    ("cpu", "exclusive"),
    [("4", 4), ("4.0", 4), ("4000m", 4), (6, 6), ("2500m", 0), ("2.5", 0), ("15m", 0), ("1e1", 10), ("3999.5m", 4)],
)
def test_exclusive_cpus(cpu: str | int, exclusive: int) -> None:
    """Whole numbers only, compared in thousandths rounded up as the kubelet does."""
    demand = one({"cpu": cpu, "memory": "1Gi"}, {"cpu": cpu, "memory": "1Gi"})
    assert demand.containers[0].exclusive_cpus == exclusive


def test_containers_in_kubelet_order() -> None:
    """Init containers first, sidecars in their place; memory by type; only Guaranteed pods pin."""
    demand = pod("p", "8c/1Gi/16hp", "100m/2Gi", init=["+15m", "1c/1Gi/1dev"])
    assert demand.containers == (
        ContainerDemand("i0", Kind.SIDECAR, 0, (("memory", GI),)),
        ContainerDemand("i1", Kind.INIT, 1, (("memory", GI),), ((DEVICE, 1),)),
        ContainerDemand("c0", Kind.APP, 8, (("hugepages-1Gi", 16 * GI), ("memory", GI))),
        ContainerDemand("c1", Kind.APP, 0, (("memory", 2 * GI),)),
    )
    assert pod("p", "8c/1Gi/1dev", burstable=True).containers == (
        ContainerDemand("c0", Kind.APP, devices=((DEVICE, 1),)),
    )


def test_devices_come_from_limits() -> None:
    """Extended resources only: names of others with a domain outside kubernetes.io."""
    limits = FULL | {"example.com/a": "2", "devices.kubevirt.io/kvm": 1, "requests.kubernetes.io/b": "1", "x/z": "0"}
    assert one(None, limits).containers[0].devices == (("devices.kubevirt.io/kvm", 1), ("example.com/a", 2))


def test_shape_leaves_the_identity_out() -> None:
    """Two pods of one shape are told apart by uid alone; shapes can be keys."""
    assert {pod("a", "2c").shape, pod("b", "2c").shape} == {pod("c", "2c").shape}
    assert pod("a", "2c").shape != pod("a", "3c").shape


@pytest.mark.parametrize(
    ("resources", "pod_level"),
    [({"requests": {"cpu": "1"}}, True), ({"limits": {"hugepages-2Mi": "2Mi"}}, True), ({"limits": {}}, False)],
)
def test_pod_level(resources: dict[str, Any], pod_level: bool) -> None:
    """spec.resources with CPU, memory or pages makes a pod one of pod-level resources."""
    assert one(FULL, FULL, spec={"resources": resources}).pod_level is pod_level


@pytest.mark.parametrize("status", [{}, {"qosClass": "Guaranteed"}])
def test_pod_level_before_1_34(status: dict[str, str]) -> None:
    """Kubelets before 1.34 go by the containers, in the class that the status states or that the containers give."""
    pods_own = {"limits": {"cpu": "4", "memory": "2Gi"}, "requests": {"cpu": "3", "memory": "2Gi"}}
    demand = one(FULL, FULL, spec={"resources": pods_own}, status=status)
    assert demand.as_seen_by("1.34") is demand
    assert demand.as_seen_by("1.33") == one(FULL, FULL, status={"qosClass": "Guaranteed"})
    assert one(FULL, FULL).as_seen_by("1.33") == one(FULL, FULL)


def test_pod_level_class() -> None:
    """The class of such a pod follows from spec.resources alone."""
    assert one(FULL, None, spec={"resources": {"limits": FULL}}).guaranteed
    assert not one(FULL, FULL, spec={"resources": {"requests": FULL}}).guaranteed


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"cpu": "-1", "memory": "1Gi"}, "cpu: '-1' is negative"),
        ({"cpu": "-1m", "memory": "1Gi"}, "cpu: '-1m' is negative"),
        ({"cpu": "1", "memory": "9E"}, "out of range"),
        ({"cpu": "x", "memory": "1Gi"}, "quantity 'x'"),
        (FULL | {"example.com/a": "-1"}, "example.com/a: '-1' is negative"),
    ],
)
def test_absurd_amounts(limits: dict[str, str], text: str) -> None:
    """What no API server accepts is an error that names the amount."""
    with pytest.raises(BadObject, match=text):
        one(None, limits)


def test_a_fraction_of_a_byte_is_said_and_nothing_else_is_lost() -> None:
    """Only the Memory Manager minds it, where it is Static: CPUs and devices are given all the same."""
    container = one(None, {"cpu": "4", "memory": "1500m", "example.com/a": "1"}).containers[0]
    assert (container.exclusive_cpus, container.devices) == (4, (("example.com/a", 1),))
    assert container.memory == (("memory", 2),)
    assert container.fraction == (
        "container 'c': memory: '1500m' is not a whole number of bytes, which the Memory Manager refuses"
    )
    assert not one(None, FULL).containers[0].fraction


def test_huge_pages_that_no_manager_pins() -> None:
    """Of pods that are not Guaranteed, and of pods with resources of the whole pod; the rest is in `memory`."""
    pages = {"hugepages-2Mi": "64Mi", "hugepages-1Gi": "0"}
    assert one({"cpu": "1"}, pages).containers[0].pages == (("hugepages-2Mi", 64 << 20),)
    assert one(None, FULL | pages).containers[0].pages == ()
    whole = one(None, FULL | pages, spec={"resources": {"limits": FULL}})
    assert (whole.guaranteed, whole.containers[0].pages) == (True, (("hugepages-2Mi", 64 << 20),))
    stated = one(None, FULL | pages, spec={"resources": {"limits": FULL | {"hugepages-2Mi": "96Mi"}}})
    assert stated.containers[0].pages == (("hugepages-2Mi", 96 << 20),)


def test_what_the_kubelet_allocated_wins() -> None:
    """The spec may ask for a resize that the kubelet has not made; a container without a status is as the spec says."""
    given = {"containerStatuses": [{"name": "c", "allocatedResources": {"cpu": "2", "memory": "1Gi"}}]}
    wanted = {"cpu": "6", "memory": "4Gi", "hugepages-1Gi": "1Gi"}
    container = one(None, wanted, status=given).containers[0]
    assert (container.exclusive_cpus, dict(container.memory)) == (2, {"memory": GI, "hugepages-1Gi": GI})
    assert one(None, wanted, status={"containerStatuses": [{"name": "c"}]}).containers[0].exclusive_cpus == 6
    assert one(None, wanted, status={"containerStatuses": [{"name": "x", "allocatedResources": {"cpu": "2"}}]}) == one(
        None, wanted
    )
