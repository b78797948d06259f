"""Which pod a user means."""

import pytest

from extender.api.objects import Meta, Owner, Pod, PodSpec, PodStatus
from extender.cli.picking import failed_before, pick_pod
from extender.errors import SnapshotError


def _pod(namespace: str, name: str, vm: str = "", node: str = "") -> Pod:
    owners = [Owner(kind="VirtualMachineInstance", name=vm, controller=True)] if vm else None
    return Pod(metadata=Meta(namespace=namespace, name=name, owner_references=owners), spec=PodSpec(node_name=node))


PODS = [
    _pod("a", "virt-launcher-db-1", "db", "n1"),
    _pod("a", "virt-launcher-db-2", "db"),
    _pod("a", "web"),
    _pod("b", "web"),
    _pod("b", "virt-launcher-mail-1", "mail", "n1"),
]


@pytest.mark.parametrize(
    ("wanted", "namespace", "found"),
    [
        ("virt-launcher-db-1", None, "a/virt-launcher-db-1"),
        ("db", None, "a/virt-launcher-db-2"),
        ("a/db", None, "a/virt-launcher-db-2"),
        ("mail", None, "b/virt-launcher-mail-1"),
        ("b/web", None, "b/web"),
        ("web", "a", "a/web"),
        ("b/web", "a", "b/web"),
    ],
)
def test_a_pod_is_found_by_its_name_or_its_vm(wanted: str, namespace: str | None, found: str) -> None:
    """A pod's name wins over a VM's; of a VM's pods the waiting one is meant; NAMESPACE/NAME wins over -n."""
    pod = pick_pod(PODS, wanted, namespace)
    assert f"{pod.metadata.namespace}/{pod.metadata.name}" == found


@pytest.mark.parametrize(
    ("wanted", "namespace", "message"),
    [
        ("web", None, "not one pod but 2: a/web, b/web; write NAMESPACE/NAME"),
        ("virt-launcher-dbb-1", "a", "is not there in namespace a; did you mean virt-launcher-db-1"),
        ("zzz", None, "is not there; VM pods that wait for a node: a/virt-launcher-db-2"),
        ("zzz", "b", "there are 2 pods in namespace b, and no VM pod among them waits"),
        ("zzz", "c", "there are 0 pods in namespace c"),
    ],
)
def test_what_is_not_found_is_answered_with_what_there_is(wanted: str, namespace: str | None, message: str) -> None:
    """Near names first, then pods that wait."""
    with pytest.raises(SnapshotError, match=message):
        pick_pod(PODS, wanted, namespace)


def _launcher(name: str, phase: str, node: str = "n1", *, vmi: str = "now", age: int = 0, deleted: bool = False) -> Pod:
    """A pod of the VM db, created at this second."""
    return Pod(
        metadata=Meta(
            namespace="a",
            name=name,
            creation_timestamp=f"2026-01-01T00:00:{age:02}Z",
            deletion_timestamp="2026-01-02T00:00:00Z" if deleted else None,
            owner_references=[Owner(kind="VirtualMachineInstance", name="db", uid=vmi, controller=True)],
        ),
        spec=PodSpec(node_name=node),
        status=PodStatus(phase=phase),
    )


@pytest.mark.parametrize(
    ("pods", "found"),
    [
        ([_launcher("old", "Succeeded"), _launcher("new", "Running", "n2")], "new"),
        ([_launcher("failed", "Failed"), _launcher("waits", "Pending", "")], "waits"),
        ([_launcher("source", "Running"), _launcher("target", "Running", "n2", age=1)], "source"),
        ([_launcher("source", "Running"), _launcher("target", "Pending", "")], "target"),
        ([_launcher("source", "Running"), _launcher("aborted", "Pending", "", deleted=True)], "source"),
        ([_launcher("before", "Running", vmi="old", deleted=True), _launcher("now", "Pending", "n3")], "now"),
        ([_launcher("late", "Failed", age=9), _launcher("early", "Failed")], "late"),
        ([_launcher("done", "Succeeded", age=9), _launcher("early", "Failed")], "done"),
    ],
    ids=[
        "migrated",
        "failed before",
        "migrates",
        "target waits",
        "migration aborted",
        "restarted",
        "crash loop",
        "stopped",
    ],
)
def test_a_vm_is_the_pod_that_it_lives_in(pods: list[Pod], found: str) -> None:
    """The order of the list does not matter; the VMI runs on n1."""
    for given in (pods, pods[::-1]):
        assert pick_pod(given, "a/db", vmi_nodes={"now": "n1"}).metadata.name == found


def test_failures_of_a_vm_are_told_by_age() -> None:
    """Those of other VMs and pods that did not fail are left out."""
    pods = [_launcher("late", "Failed", age=9), _launcher("early", "Failed"), _launcher("now", "Pending", ""), *PODS]
    assert [pod.metadata.name for pod in failed_before(pods, pods[2])] == ["early", "late"]
    assert failed_before(pods, _pod("a", "web")) == []
