"""The huge pages a VM's pod asks for against its guest's memory."""

import json
from typing import Any

import msgspec
import pytest

from extender.api.objects import Pod, Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from tests.kit.bodies import args
from tests.kit.objects import KUBELET_A, machine, node, pod, vmi
from tests.kit.verbs import explained, make_verbs

SHORT = "never starts: the pod asks for fewer huge pages than the guest"


def cluster_with(record: Vmi) -> Cluster:
    """One node that holds anything of this size."""
    cluster = Cluster()
    cluster.put(Source.NODES, node("a", KUBELET_A, machine()))
    cluster.put(Source.VMIS, record)
    cluster.make_rows()
    return cluster


def code(record: Vmi, waiting: Pod) -> str:
    """What explain says of the node."""
    return explained(cluster_with(record), waiting).nodes[0].code


def changed(record: Vmi, **domain: Any) -> Vmi:
    """The VMI with other fields of its domain."""
    made: dict[str, Any] = msgspec.to_builtins(record)
    made["spec"]["domain"] |= domain
    return msgspec.convert(made, Vmi)


def test_half_of_the_guest_is_refused_with_its_reason() -> None:
    """memoryOvercommit 200, or a memory request of half the guest: 8 pages for 16Gi."""
    cluster = cluster_with(vmi("vm"))
    answer = json.loads(make_verbs(cluster).filter(args(["a"], msgspec.to_builtins(pod("vm", pages_gi=8))), 1.0).body)
    assert answer["FailedAndUnresolvableNodes"] == {"a": SHORT}


@pytest.mark.parametrize(
    ("asked", "right"), [(15, "LauncherPagesShort"), (16, "Fits"), (17, "Fits"), (0, "LauncherPagesShort")]
)
def test_every_page_of_the_guest(asked: int, right: str) -> None:
    """One page too few is as bad as none."""
    assert code(vmi("vm"), pod("vm", pages_gi=asked)) == right


def test_pages_of_another_size_do_not_count() -> None:
    """The guest wants 2Mi pages, the pod asks for 1Gi ones."""
    other = changed(vmi("vm"), memory={"guest": "16Gi", "hugepages": {"pageSize": "2Mi"}})
    assert code(other, pod("vm")) == "LauncherPagesShort"


def test_a_guest_without_huge_pages_asks_for_none() -> None:
    """Its memory may be overcommitted."""
    plain = changed(vmi("vm"), memory={"guest": "16Gi"}, cpu={"sockets": 8, "dedicatedCpuPlacement": True})
    assert code(plain, pod("vm", 8, pages_gi=0)) == "Fits"


def test_a_guest_that_no_manager_pins() -> None:
    """A Burstable pod is limited to its huge pages as well."""
    shared = changed(vmi("vm"), cpu={"sockets": 8})
    made: dict[str, Any] = msgspec.to_builtins(pod("vm", pages_gi=8))
    made["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "800m"
    made["status"]["qosClass"] = "Burstable"
    assert code(shared, msgspec.convert(made, Pod)) == "LauncherPagesShort"


def test_a_running_vm_may_have_grown() -> None:
    """Memory hotplug raises the guest in the VMI; the pod that it leaves still has the pages of its boot."""
    assert (
        code(vmi("vm", memory_gi=24), pod("vm", node_name="a", phase="Running", start="2026-01-01T00:00:01Z")) == "Fits"
    )
