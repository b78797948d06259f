"""Which pod a user means."""

import pytest

from extender.api.objects import Meta, Owner, Pod, PodSpec
from extender.cli.picking import pick_pod
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
