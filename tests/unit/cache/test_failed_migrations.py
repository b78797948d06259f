"""Migrations that failed on their target: remembered for equal ones until something changes on the node."""

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from extender.api.objects import Migration, Pod, Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from tests.kit.bodies import args
from tests.kit.migrations import running, target
from tests.kit.objects import KUBELET_A, machine, node, pod, vmi
from tests.kit.verbs import explained, make_verbs

QEMU = "virError(Code=1, Message='qemu-kvm: unable to map backing store for guest RAM: Cannot allocate memory')"
MEMNODE = "XML error: Argument 'cellid' in memnode element must correspond to existing guest's NUMA cell"
NODES = ["b", "c"]


def at(name: str, vcpus: int = 8) -> Vmi:
    """The VMI, running on node a."""
    made: dict[str, Any] = msgspec.to_builtins(vmi(name, vcpus))
    return msgspec.convert({**made, "status": {"nodeName": "a"}}, Vmi)


def bound(name: str = "vm", cpus: int = 9) -> Pod:
    """A target's pod on node b, admitted."""
    record = target(name, cpus)
    spec = replace(record.spec, node_name="b")
    return replace(record, spec=spec, status=replace(record.status, start_time="2026-01-01T00:01:00Z", phase="Running"))


def over(name: str = "vm", reason: str = QEMU, **state: Any) -> Migration:
    """The migration, failed on node b."""
    return msgspec.convert(
        {
            "metadata": {"name": f"move-{name}", "namespace": "vms", "uid": "job-1"},
            "spec": {"vmiName": name},
            "status": {
                "phase": "Failed",
                "migrationState": {
                    "migrationUid": "job-1",
                    "targetNode": "b",
                    "targetPod": f"{name}-2",
                    "completed": True,
                    "failed": True,
                    "failureReason": reason,
                    **state,
                },
            },
        },
        Migration,
    )


def moving() -> Cluster:
    """The VM runs on a, its target has just been bound to b."""
    cluster = Cluster()
    for name in ("a", *NODES):
        cluster.put(Source.NODES, node(name, KUBELET_A, machine(pages=64, memory_gi=128)))
    cluster.put(Source.VMIS, at("vm"))
    cluster.put(Source.PODS, running("vm", "a"))
    cluster.make_rows()
    cluster.put(Source.PODS, bound())
    return cluster


def failed(reason: str = QEMU, **state: Any) -> Cluster:
    """The same after the failure; the target's pod is gone."""
    cluster = moving()
    cluster.put(Source.MIGRATIONS, over("vm", reason, **state))
    cluster.delete(Source.PODS, bound())
    return cluster


def again(name: str = "vm", cpus: int = 9, policy: str = "") -> Pod:
    """The next target."""
    record = target(name, cpus, policy=policy)
    return replace(record, metadata=replace(record.metadata, name=f"{name}-3", uid=f"uid-{name}-3"))


def left(cluster: Cluster, waiting: Pod) -> list[str]:
    """Which nodes filter keeps."""
    record = json.loads(msgspec.json.encode(waiting))
    names: list[str] = json.loads(make_verbs(cluster).filter(args(NODES, record), 1.0).body)["NodeNames"]
    cluster.forget(waiting.metadata.uid)
    return names


@pytest.mark.parametrize("reason", [QEMU, MEMNODE, "Target pod is down"])
def test_it_is_not_tried_again(reason: str) -> None:
    """The node that failed is left out for the next target of the VM, and explain says why."""
    cluster = failed(reason)
    assert left(cluster, again()) == ["c"]
    told = {one.node: one for one in explained(cluster, again()).nodes}
    assert told["b"].code == "MigrationFailedBefore"
    assert told["b"].migration is not None
    assert told["b"].migration.outcome == "failed before"
    record = json.loads(msgspec.json.encode(again()))
    alone = json.loads(make_verbs(cluster).filter(args(["b"], record), 1.0).body)
    assert alone["FailedAndUnresolvableNodes"] == {
        "b": "an equal migration failed on the node and nothing changed since"
    }


def test_the_order_of_the_news_does_not_matter() -> None:
    """The target's pod may be gone before its migration is seen to have failed, or still be there."""
    cluster = moving()
    cluster.put(Source.MIGRATIONS, over())
    assert left(cluster, again()) == ["c"]
    cluster = moving()
    cluster.delete(Source.PODS, bound())
    cluster.put(Source.MIGRATIONS, over())
    assert left(cluster, again()) == ["c"]


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("Live migration is not completed after 150 seconds and has been aborted", {"abortStatus": "Succeeded"}),
        (QEMU, {"abortRequested": True}),
        ("unable to connect to server at 'virt-launcher:49152': Connection refused", {}),
        ("", {}),
        (QEMU, {"migrationUid": "an-older-one"}),
        (QEMU, {"failed": False}),
        (QEMU, {"targetNode": "c"}),
        (QEMU, {"targetPod": "another"}),
    ],
)
def test_other_failures_teach_nothing(reason: str, state: dict[str, Any]) -> None:
    """Aborts, timeouts, the network, a state of an older migration, or one of another pod."""
    assert left(failed(reason, **state), again()) == NODES


def test_a_running_migration_teaches_nothing() -> None:
    """Only phase Failed counts."""
    cluster = moving()
    job = over()
    cluster.put(Source.MIGRATIONS, replace(job, status=replace(job.status, phase="Running")))
    cluster.delete(Source.PODS, bound())
    assert left(cluster, again()) == NODES


def test_until_the_node_changes() -> None:
    """A pod that comes makes another state; when it goes the state is the old one again; a new kubelet forgets."""
    cluster = failed()
    other = running("other", "b", 2, 0)
    cluster.put(Source.PODS, other)
    assert left(cluster, again()) == NODES
    cluster.delete(Source.PODS, other)
    assert left(cluster, again()) == ["c"]
    fresh = node("b", KUBELET_A, machine(pages=64, memory_gi=128))
    info = replace(fresh.status.node_info, boot_id="another")
    cluster.put(Source.NODES, replace(fresh, status=replace(fresh.status, node_info=info)))
    assert left(cluster, again()) == NODES


def test_a_pod_that_came_meanwhile() -> None:
    """What the failure proves is proved of the pods that were there when the target came, not of later ones."""
    cluster = moving()
    other = running("other", "b", 2, 0)
    cluster.put(Source.PODS, other)
    cluster.put(Source.MIGRATIONS, over())
    cluster.delete(Source.PODS, bound())
    assert left(cluster, again()) == NODES
    cluster.delete(Source.PODS, other)
    assert left(cluster, again()) == ["c"]


def test_only_for_equal_migrations() -> None:
    """Not for a first boot, another size, a guest with other cells, or a VM that ignores its cells."""
    cluster = failed()
    assert left(cluster, pod("new")) == NODES
    cluster.put(Source.VMIS, at("small", 7))
    assert left(cluster, again("small", 8)) == NODES
    cluster.put(Source.VMIS, at("unknown"))
    assert left(cluster, again("unknown")) == NODES
    assert left(cluster, again(policy="off")) == NODES
    cluster.put(Source.VMIS, at("equal"))
    cluster.put(Source.PODS, running("equal", "a"))
    cluster.make_rows()
    assert left(cluster, again("equal")) == ["c"]


@pytest.mark.parametrize("known", [True, False])
def test_a_listed_target(known: bool) -> None:
    """A list that is the first to show the target teaches too, if it can be told from a VM that has moved in."""
    cluster = Cluster()
    for name in ("a", *NODES):
        cluster.put(Source.NODES, node(name, KUBELET_A, machine(pages=64, memory_gi=128)))
    if known:
        cluster.put(Source.VMIS, at("vm"))
    cluster.replace(Source.PODS, [running("vm", "a"), bound()])
    cluster.put(Source.VMIS, at("vm"))
    cluster.make_rows()
    cluster.put(Source.MIGRATIONS, over())
    cluster.delete(Source.PODS, bound())
    assert left(cluster, again()) == (["c"] if known else NODES)
