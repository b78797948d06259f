"""What a call lacks of the objects that its pod names: told once per pod, and only where something can still come."""

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from extender.api.objects import Migration, Pod
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.verbs.service import Verbs
from tests.kit.bodies import args
from tests.kit.migrations import target
from tests.kit.objects import node, pod, vmi
from tests.kit.verbs import make_verbs


def _verbs() -> tuple[Cluster, Verbs]:
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
    missing = verbs.missing(_body(pod("vm")))
    assert missing is not None
    calls: list[int] = []
    missing.tell(lambda: calls.append(1))
    cluster.put(Source.VMIS, vmi("other"))
    assert (calls, missing.filled) == ([], False)
    cluster.put(Source.VMIS, vmi("vm"))
    assert (calls, missing.filled) == ([1], True)
    missing.close()
    cluster.put(Source.VMIS, vmi("vm"))
    assert calls == [1]


def test_a_list_fills_it_too() -> None:
    """The VMI may come with a whole list."""
    cluster, verbs = _verbs()
    missing = verbs.missing(_body(pod("vm")))
    assert missing is not None
    calls: list[int] = []
    missing.tell(lambda: calls.append(1))
    cluster.replace(Source.VMIS, [vmi("vm")])
    assert (calls, missing.filled) == ([1], True)


def test_a_target_lacks_its_vmi_and_its_migration() -> None:
    """Both must come; an older migration of that name is not the one."""
    cluster, verbs = _verbs()
    missing = verbs.missing(_body(_moving()))
    assert missing is not None
    calls: list[int] = []
    missing.tell(lambda: calls.append(1))
    cluster.put(Source.VMIS, vmi("vm"))
    cluster.put(Source.MIGRATIONS, _job("an older one"))
    assert not missing.filled
    cluster.put(Source.MIGRATIONS, _job("job-1"))
    assert missing.filled
    assert len(calls) == 3


def test_it_is_told_once_per_pod() -> None:
    """The second call of the same pod goes on at once, another pod's does not."""
    _, verbs = _verbs()
    assert verbs.missing(_body(pod("vm"))) is not None
    assert verbs.missing(_body(pod("vm"))) is None
    assert verbs.missing(_body(pod("vm2"))) is not None


@pytest.mark.parametrize("kind", [Source.VMIS, Source.MIGRATIONS])
def test_kinds_that_are_not_watched_are_not_waited_for(kind: Source) -> None:
    """Not served, or not listed yet (forbidden): nothing of it will come."""
    other = ({Source.VMIS, Source.MIGRATIONS} - {kind}).pop()
    for silence in (lambda c: c.absent(kind), lambda _: None):
        cluster = Cluster()
        cluster.replace(other, [vmi("vm")] if other is Source.VMIS else [_job("job-1")])
        silence(cluster)
        assert make_verbs(cluster).missing(_body(_moving())) is None


def test_a_vmi_that_is_gone_is_not_waited_for() -> None:
    """A VM is deleted while its pod waits: the pod's next call is not held, whichever way the VMI went."""
    cluster, verbs = _verbs()
    cluster.put(Source.VMIS, vmi("vm"))
    cluster.delete(Source.VMIS, vmi("vm"))
    assert verbs.missing(_body(_moving())) is None
    cluster.put(Source.VMIS, vmi("vm2"))
    cluster.replace(Source.VMIS, [])
    assert verbs.missing(_body(pod("vm2"))) is None


def test_nothing_is_lacking() -> None:
    """Pods that are no VMs, VMs of no zone, VMs that are known, calls that cannot be read, and before we are ready."""
    cluster, verbs = _verbs()
    cluster.put(Source.VMIS, vmi("known"))
    plain = replace(pod("p"), metadata=replace(pod("p").metadata, labels={}))
    ordinary = json.loads(msgspec.json.encode(pod("o", 1, 0)))
    ordinary["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100m"}}
    for body in (_body(plain), args(["n"], ordinary), _body(pod("known")), b"{"):
        assert verbs.missing(body) is None
    assert make_verbs(cluster, "nodes: not synced yet").missing(_body(pod("vm"))) is None


def test_a_body_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call that follows uses what was read; a call with another body does not."""
    _, verbs = _verbs()
    first, second = _body(pod("vm")), _body(pod("vm2"))
    verbs.missing(first)
    parsed = verbs.context.parsed
    assert parsed is not None
    read = []
    real = __import__("extender.verbs.call", fromlist=["read_args"]).read_args
    monkeypatch.setattr("extender.verbs.call.read_args", lambda *given: read.append(given[0]) or real(*given))
    verbs.filter(first, 1.0)
    assert read == []
    verbs.missing(first)
    verbs.filter(second, 1.0)
    assert read[-1] is second
    verbs.filter(first, 1.0)
    assert len(read) == 3
