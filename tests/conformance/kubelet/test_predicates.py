"""The kubelet's sums: random nodes and pods, judged by the twin and by the real predicate handler."""

import json
import random
from typing import Any

import msgspec
import pytest

from extender.api.objects import Node, Pod
from extender.kubelet.allocatable import node_allocatable
from extender.kubelet.predicates import shortages, used_by
from tests.kit.oracle.kubelet.process import Oracle

pytestmark = pytest.mark.slow

_CASES = 2000
_AMOUNTS = {
    "cpu": ("0", "1500u", "100m", "250.5m", "1", "2", "4", "7"),
    "memory": ("0", "1", "500m", "100Mi", "1Gi", "2G", "4Gi"),
    "ephemeral-storage": ("0", "50M", "1Gi", "3Gi"),
    "hugepages-2Mi": ("2Mi", "64Mi", "1Gi"),
    "hugepages-1Gi": ("1Gi", "2Gi", "6Gi"),
    "example.com/gpu": ("0", "1", "2"),
    "devices.kubevirt.io/kvm": ("1",),
    "attachable-volumes-csi": ("1",),
    "resource.kubernetes.io/odd": ("1",),
    "deviceclass.resource.kubernetes.io/gpu": ("1",),
    "odd": ("3",),
}
_ALLOCATABLE = {
    "cpu": ("0", "3900m", "8", "32"),
    "memory": ("0", "3Gi", "8Gi", "64Gi"),
    "ephemeral-storage": ("0", "2Gi", "20Gi"),
    "pods": ("0", "1", "3", "110"),
    "hugepages-2Mi": ("0", "512Mi", "4Gi"),
    "hugepages-1Gi": ("0", "4Gi", "16Gi"),
    "example.com/gpu": ("0", "2", "8"),
    "devices.kubevirt.io/kvm": ("0", "1k"),
    "attachable-volumes-csi": ("2", "25"),
    "resource.kubernetes.io/odd": ("1", "9"),
}
#: What every kubelet reports; the twin takes a report without one of them for cut short.
_ALWAYS = ("cpu", "memory", "ephemeral-storage", "pods")


def _some(rng: random.Random, amounts: dict[str, tuple[str, ...]], odds: float) -> dict[str, str]:
    return {name: rng.choice(values) for name, values in amounts.items() if rng.random() < odds}


def _resources(rng: random.Random, names: tuple[str, ...] = ()) -> dict[str, Any]:
    amounts = {name: _AMOUNTS[name] for name in names} if names else _AMOUNTS
    found = {}
    for kind in ("requests", "limits"):
        if rng.random() < 0.6:
            found[kind] = _some(rng, amounts, rng.choice((0.02, 0.1, 0.3)))
    # The API server takes huge pages and extended resources only with equal requests and limits.
    whole = {name: amount for kind in found.values() for name, amount in kind.items() if name not in _ALWAYS}
    if whole:
        found["limits"] = {**found.get("limits", {}), **whole}
        found["requests"] = {**found.get("requests", {}), **whole}
    return found


def _pod(rng: random.Random, name: str) -> dict[str, Any]:
    def container(number: int, init: bool) -> dict[str, Any]:
        one: dict[str, Any] = {"name": f"{'i' if init else 'c'}{number}", "resources": _resources(rng)}
        if init and rng.random() < 0.5:
            one["restartPolicy"] = "Always"
        return one

    spec: dict[str, Any] = {"containers": [container(number, False) for number in range(rng.randint(1, 3))]}
    if rng.random() < 0.5:
        spec["initContainers"] = [container(number, True) for number in range(rng.randint(1, 3))]
    if rng.random() < 0.3:
        spec["resources"] = _resources(rng, ("cpu", "memory", "hugepages-1Gi"))
    if rng.random() < 0.3:
        spec["overhead"] = _some(rng, {name: _AMOUNTS[name] for name in ("cpu", "memory", "example.com/gpu")}, 0.5)
    made: dict[str, Any] = {"metadata": {"name": name, "namespace": "vms", "uid": name}, "spec": spec}
    if "resources" in spec:
        # The API server completes pod-level requests before it rounds amounts up to thousandths; we round first.
        made = json.loads(json.dumps(made).replace('"1500u"', '"2m"').replace('"250.5m"', '"251m"'))
    return made


def _node(rng: random.Random) -> dict[str, Any]:
    allocatable = {
        name: values[-1] if rng.random() < 0.8 else rng.choice(values)
        for name, values in _ALLOCATABLE.items()
        if name in _ALWAYS or rng.random() < 0.9
    }
    return {"metadata": {"name": "n"}, "status": {"allocatable": allocatable}}


@pytest.mark.parametrize("seed", range(3))
def test_random_pods_get_the_kubelets_reason_and_message(oracle: Oracle, seed: int) -> None:
    """Reason and message of the first short resource; of huge pages and extended resources the kubelet names any one."""
    rng = random.Random(seed)
    refused = 0
    for number in range(_CASES):
        node, others = _node(rng), [_pod(rng, f"p{i}") for i in range(rng.randint(0, 4))]
        pod = _pod(rng, "asked")
        reason, message = oracle.predicates(node, others, pod)
        allocatable = node_allocatable(msgspec.convert(node, Node).status.allocatable)
        used = used_by(msgspec.convert(each, Pod) for each in others)
        short = shortages(msgspec.convert(pod, Pod), allocatable, used)
        told = [(one.reason, one.message) for one in short] or [("", "")]
        ordered = short and short[0].resource in ("pods", "cpu", "memory", "ephemeral-storage")
        assert (reason, message) in (told[:1] if ordered else told), json.dumps([number, node, others, pod])
        refused += bool(short)
    assert _CASES * 0.2 < refused < _CASES * 0.9
