"""Pods that hold CPUs or devices of a node and are counted nowhere."""

from typing import Any

import pytest

from extender.api.objects import Pod
from extender.kubelet.results import Admitted
from tests.kit.objects import machine, node, nrt
from tests.known_defects.scene import Extender, RealKubelet, kubelet_facts, must, running, with_json

GPU = "nvidia.com/gpu"


# --- CPUs beside a fractional byte of memory ----------------------------------------------------------------


def exact(memory: str) -> Extender:
    """One zone of 14 CPUs, Memory Manager off; a Guaranteed pod of 10 CPUs and this memory runs."""
    extender = Extender()
    extender.see(node("n", kubelet_facts(reservedSystemCPUs="0,8"), machine(zones=1, pages=0)))
    extender.see(running("p", 10, "n", second=1, memory=memory))
    return extender


def test_cpus_beside_whole_bytes_are_counted() -> None:
    """Four of fourteen are left."""
    assert exact("1073741824").free("n") == [4]


def test_cpus_beside_a_fractional_byte_are_counted() -> None:
    """Only the Memory Manager minds the fraction, and it is off."""
    assert exact("1073741824500m").free("n") == [4]


def test_a_pod_with_a_fractional_byte_is_tracked() -> None:
    """It holds CPUs."""
    assert exact("1073741824500m").cluster.tracked_pods() == 1


# --- devices of pods with resources for the whole pod -------------------------------------------------------


def gpu_pod(name: str, *, pod_level: bool) -> Pod:
    """4 CPUs and a GPU; CPUs are asked for the whole pod, or by its container."""
    cpus = {"cpu": "4", "memory": "1Gi"}
    own = {GPU: "1"} if pod_level else {**cpus, GPU: "1"}
    spec: dict[str, Any] = {
        "nodeName": "n",
        "containers": [{"name": "compute", "resources": {"limits": own, "requests": own}}],
    }
    if pod_level:
        spec["resources"] = {"limits": cpus, "requests": cpus}
    record: Pod = with_json(running(name, 4, "n", second=1, sidecar=False), spec=spec)
    return record


def gpus(*, pod_level: bool) -> tuple[Extender, RealKubelet]:
    """Two zones with a GPU each; two such pods run."""
    extender = Extender()
    extender.see(node("n", kubelet_facts(), machine(pages=0)))
    extender.see(nrt("n", [{"cpu": 14, GPU: 1}, {"cpu": 16, GPU: 1}]))
    kubelet = RealKubelet(extender, "n")
    for name in ("g0", "g1"):
        record = gpu_pod(name, pod_level=pod_level)
        must(isinstance(kubelet.admit(record), Admitted), "the kubelet takes the pod")
        extender.see(record)
    return extender, kubelet


@pytest.mark.parametrize("pod_level", [False, True])
def test_the_kubelet_gives_each_pod_a_gpu(pod_level: bool) -> None:
    """The Device Manager knows no resources of a whole pod; none is left. CPUs are pinned for containers' own alone."""
    _, kubelet = gpus(pod_level=pod_level)
    assert kubelet.devices_free(GPU) == [0, 0]
    assert sum(kubelet.free()) == (30 if pod_level else 22)


def test_gpus_of_containers_with_their_own_cpus_are_counted() -> None:
    """None is left."""
    extender, _ = gpus(pod_level=False)
    assert extender.devices_free("n", GPU) == [0, 0]
    assert extender.cluster.tracked_pods() == 2


def test_cpus_of_a_whole_pod_stay_free() -> None:
    """They are of the shared pool."""
    extender, kubelet = gpus(pod_level=True)
    assert extender.free("n") == kubelet.free()


def test_gpus_beside_resources_of_a_whole_pod_are_counted() -> None:
    """None is left."""
    extender, kubelet = gpus(pod_level=True)
    assert extender.devices_free("n", GPU) == kubelet.devices_free(GPU)


def test_pods_with_such_a_gpu_are_tracked() -> None:
    """Both."""
    extender, _ = gpus(pod_level=True)
    assert extender.cluster.tracked_pods() == 2
