"""What a call lacks of the objects that its pod names: told once per pod, and only where something can still come."""

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from extender.api.objects import Migration, Pod
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.wire.args import Args
from tests.kit.bodies import args
from tests.kit.migrations import target
from tests.kit.objects import KUBELET_A, machine, node, pod, vmi
from tests.kit.verbs import AskedVerbs, make_verbs


def _verbs() -> tuple[Cluster, AskedVerbs]:
    """KubeVirt is there, and has nothing."""
    cluster = Cluster()
    cluster.replace(Source.NODES, [node("n")])
    cluster.replace(Source.VMIS, [])
    cluster.replace(Source.MIGRATIONS, [])
    return cluster, make_verbs(cluster)


def _body(record: Pod) -> bytes:
    made: dict[str, Any] = json.loads(msgspec.json.encode(record))
    return args(["n"], made)


def _moving() -> Pod:
    """A target that names its migration."""
    record = target("vm")
    named = {"kubevirt.io/migrationJobName": "job"}
    return replace(record, metadata=replace(record.metadata, annotations=named))


def _job(uid: str) -> Migration:
    return msgspec.convert({"metadata": {"name": "job", "namespace": "vms", "uid": uid}}, Migration)


def test_a_first_boot_lacks_its_vmi_until_it_comes() -> None:
    """Told once; the VMI's event calls whoever waits, an event of another VMI does not."""
    cluster, verbs = _verbs()
    missing = verbs.missing_for(_body(pod("vm")))
    assert missing is not None
    calls: list[int] = []
    missing.on_arrival(lambda: calls.append(1))
    cluster.put(Source.VMIS, vmi("other"))
    assert (calls, missing.complete) == ([], False)
    cluster.put(Source.VMIS, vmi("vm"))
    assert (calls, missing.complete) == ([1], True)
    missing.close()
    cluster.put(Source.VMIS, vmi("vm"))
    assert calls == [1]


def test_a_list_fills_it_too() -> None:
    """The VMI may come with a whole list."""
    cluster, verbs = _verbs()
    missing = verbs.missing_for(_body(pod("vm")))
    assert missing is not None
    calls: list[int] = []
    missing.on_arrival(lambda: calls.append(1))
    cluster.replace(Source.VMIS, [vmi("vm")])
    assert (calls, missing.complete) == ([1], True)


def test_a_target_lacks_its_vmi_and_its_migration() -> None:
    """Both must come; an older migration of that name is not the one."""
    cluster, verbs = _verbs()
    missing = verbs.missing_for(_body(_moving()))
    assert missing is not None
    calls: list[int] = []
    missing.on_arrival(lambda: calls.append(1))
    cluster.put(Source.VMIS, vmi("vm"))
    cluster.put(Source.MIGRATIONS, _job("an older one"))
    assert not missing.complete
    cluster.put(Source.MIGRATIONS, _job("job-1"))
    assert missing.complete
    assert len(calls) == 3


def test_it_is_told_once_per_pod() -> None:
    """The second call of the same pod goes on at once, another pod's does not."""
    _, verbs = _verbs()
    assert verbs.missing_for(_body(pod("vm"))) is not None
    assert verbs.missing_for(_body(pod("vm"))) is None
    assert verbs.missing_for(_body(pod("vm2"))) is not None


@pytest.mark.parametrize("kind", [Source.VMIS, Source.MIGRATIONS])
def test_kinds_that_are_not_watched_are_not_waited_for(kind: Source) -> None:
    """Not served, or not listed yet (forbidden): nothing of it will come."""
    other = ({Source.VMIS, Source.MIGRATIONS} - {kind}).pop()
    for silence in (lambda c: c.absent(kind), lambda _: None):
        cluster = Cluster()
        cluster.replace(other, [vmi("vm")] if other is Source.VMIS else [_job("job-1")])
        silence(cluster)
        assert make_verbs(cluster).missing_for(_body(_moving())) is None


def test_a_vmi_that_is_gone_is_not_waited_for() -> None:
    """A VM is deleted while its pod waits: the pod's next call is not held, whichever way the VMI went."""
    cluster, verbs = _verbs()
    cluster.put(Source.VMIS, vmi("vm"))
    cluster.delete(Source.VMIS, vmi("vm"))
    assert verbs.missing_for(_body(_moving())) is None
    cluster.put(Source.VMIS, vmi("vm2"))
    cluster.replace(Source.VMIS, [])
    assert verbs.missing_for(_body(pod("vm2"))) is None


def test_nothing_is_lacking() -> None:
    """Pods that are no VMs, VMs of no zone, VMs that are known, calls that cannot be read, and before we are ready."""
    cluster, verbs = _verbs()
    cluster.put(Source.VMIS, vmi("known"))
    plain = replace(pod("p"), metadata=replace(pod("p").metadata, labels={}))
    ordinary = json.loads(msgspec.json.encode(pod("o", 1, 0)))
    ordinary["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100m"}}
    del ordinary["spec"]["nodeSelector"]
    for body in (_body(plain), args(["n"], ordinary), _body(pod("known")), b"{"):
        assert verbs.missing_for(body) is None
    assert make_verbs(cluster, "nodes: not synced yet").missing_for(_body(pod("vm"))) is None


def test_a_call_waits_between_reading_and_deciding() -> None:
    """What was read is decided as it was read, whatever is read and decided in between."""
    cluster, verbs = _verbs()
    cluster.put(Source.NODES, node("n", KUBELET_A, machine()))
    first, second = (verbs.read(_body(pod(name))) for name in ("vm", "vm2"))
    assert verbs.filter(second, 1.0).outcome == "ok"
    assert verbs.filter(first, 1.0).outcome == "ok"
    assert [summary.pod.metadata.name for summary in make_verbs.summaries[-2:]] == ["vm2", "vm"]


def test_the_pod_of_the_last_call_is_not_decoded_again() -> None:
    """prioritize repeats the pod and the names that filter was given."""
    cluster, verbs = _verbs()
    cluster.put(Source.NODES, node("n", KUBELET_A, machine()))
    call = verbs.read(_body(pod("vm")))
    verbs.filter(call, 1.0)
    again = verbs.read(_body(pod("vm")))
    assert isinstance(call, Args)
    assert isinstance(again, Args)
    assert again.pod is call.pod
    assert again.names is call.names
