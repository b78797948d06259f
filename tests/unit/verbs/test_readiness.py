"""Before the picture is complete: nothing passes that might have to be judged, and no call makes the whole table."""

import json
from dataclasses import replace
from typing import Any

import pytest

from _fastfit.codes import Mode
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.cache.nodes.pools import Pool, Pools
from tests.kit.bodies import args, pod_json
from tests.kit.objects import KUBELET_A, machine, node
from tests.kit.verbs import make_verbs

MISSING = "pods: syncing"


def _plain(**limits: str) -> dict[str, Any]:
    """A VM with shared CPUs and these limits."""
    record = pod_json()
    record["status"]["qosClass"] = "Burstable"
    record["spec"]["nodeSelector"] = {}
    record["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": limits}
    return record


def _answer(record: dict[str, Any], cluster: Cluster | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(make_verbs(cluster or Cluster(), MISSING).filter(args(["a"], record), 1.0).body)
    return answer


def test_a_vm_with_zone_demands_waits() -> None:
    """`Error` with what is missing: kube-scheduler retries by back-off."""
    answer = _answer(pod_json())
    assert MISSING in answer["Error"]
    assert answer["NodeNames"] == []
    assert make_verbs(Cluster(), MISSING).prioritize(args(["a"]), 1.0).status == 503


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"devices.kubevirt.io/kvm": "1"},
        {"memory": "1Gi", "devices.kubevirt.io/tun": "1"},
        {"hugepages-1Gi": "16Gi"},  # no ordinary one; of any zone, so that kube-scheduler's sums decide
    ],
)
def test_vms_without_a_zone_rule_do_not_wait(limits: dict[str, str]) -> None:
    """Nothing that is missing could change the answer."""
    assert _answer(_plain(**limits))["NodeNames"] == ["a"]


def test_a_device_may_turn_out_to_have_zones() -> None:
    """No report has been read yet, so nobody knows; the VM must not slip through."""
    assert MISSING in _answer(_plain(**{"example.com/vf": "1"}))["Error"]


def test_rows_are_not_made_by_a_call() -> None:
    """The first picture is made in slices beside the calls, never inside one."""
    cluster = Cluster()
    cluster.put(Source.NODES, node("a", KUBELET_A, machine()))
    _answer(pod_json(), cluster)
    assert len(cluster.table) == 0


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.SCORE])
def test_where_nothing_enforces_nobody_waits_for_us(mode: Mode) -> None:
    """A filter that may not refuse may not hold up a VM either."""
    answer = _answer(pod_json(), Cluster(Pools(rest=Pool(mode=mode))))
    assert (answer["NodeNames"], answer["Error"]) == (["a"], "")
    enforcing = Pools(pools=(Pool(name="numa"),), rest=replace(Pool(), mode=mode))
    assert MISSING in _answer(pod_json(), Cluster(enforcing))["Error"]
