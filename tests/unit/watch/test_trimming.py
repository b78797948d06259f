"""What is kept of pods and VMIs: everything that the state reads, for every pod that can hold something."""

import json
from typing import Any

import msgspec
import pytest

from extender.api.objects import Pod, Vmi
from extender.cache.events import Source
from extender.cache.pods.pod import entry_of
from extender.kubelet.pod import pod_demand
from extender.kubevirt.launcher_pod import role_of
from extender.watch.kinds import KINDS
from extender.watch.trimming import trimmed


def decoded(obj: dict[str, Any]) -> Pod:
    record = KINDS[Source.PODS].decode(msgspec.Raw(json.dumps(obj).encode()))
    assert isinstance(record, Pod)
    return record


def pod(qos: str, resources: dict[str, Any], *, phase: str = "Running", labels: dict[str, str] | None = None) -> Pod:
    return decoded(
        {
            "metadata": {
                "name": "p",
                "namespace": "ns",
                "uid": "u1",
                "labels": labels or {"app": "web"},
                "annotations": {"cni": "x" * 99, "fastfit.dev/migration": "off", "alpha.kubevirt.io/a": "1"},
                "ownerReferences": [{"kind": "VirtualMachineInstance", "name": "vm", "uid": "v1", "controller": True}],
            },
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "resources": resources}]},
            "status": {
                "phase": phase,
                "qosClass": qos,
                "conditions": [
                    {"type": "Ready", "status": "True"},
                    {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                ],
            },
        }
    )


CPUS = {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}}
SMALL = {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}}


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        (pod("Guaranteed", CPUS), True),
        (pod("", CPUS), True),
        (pod("Burstable", SMALL), False),
        (pod("BestEffort", {}), False),
        (pod("Burstable", SMALL, phase="Pending"), False),
        (pod("Burstable", SMALL, phase="Failed"), True),
        (pod("Burstable", SMALL, labels={"kubevirt.io": "virt-launcher"}), True),
        (pod("Burstable", {"limits": {"example.com/nic": "1"}}), True),
        (pod("Burstable", {"limits": {"hugepages-2Mi": "4Mi"}}), True),
        (pod("BestEffort", {"limits": {"devices.kubevirt.io/kvm": "1"}}), True),
        (pod("Burstable", {"requests": {"ephemeral-storage": "1Gi"}}), False),
    ],
)
def test_pods_that_can_hold_something_are_kept(record: Pod, kept: bool) -> None:
    """Row by row; and a pod that is left out is one of which the state would keep no entry either."""
    assert (trimmed(record) is not None) is kept
    if not kept:
        assert entry_of(record) is None


def test_device_of_an_init_container_counts() -> None:
    """Init containers hold devices, too; pod-level resources are kept, to be said."""
    base = {"metadata": {"name": "p", "uid": "u"}, "status": {"qosClass": "Burstable", "phase": "Running"}}
    device = {"name": "i", "resources": {"limits": {"example.com/nic": "1"}}}
    assert trimmed(decoded({**base, "spec": {"initContainers": [device]}})) is not None
    assert trimmed(decoded({**base, "spec": {"resources": {"limits": {"cpu": "2"}}}})) is not None
    assert trimmed(decoded({**base, "spec": {}})) is None


def test_what_the_state_reads_survives() -> None:
    """Demand, entry (with its order) and role of a launcher are the same before and after; foreign texts are gone."""
    record = pod(
        "Guaranteed", CPUS, labels={"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": "v1", "app": "x"}
    )
    kept = trimmed(record)
    assert isinstance(kept, Pod)
    assert pod_demand(kept) == pod_demand(record)
    assert entry_of(kept) == entry_of(record)
    assert role_of(kept) == role_of(record)
    assert kept.metadata.labels == {"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": "v1"}
    assert kept.metadata.annotations == {"fastfit.dev/migration": "off", "alpha.kubevirt.io/a": "1"}
    assert [condition.type for condition in kept.status.conditions or ()] == ["PodScheduled"]


def test_of_states_only_those_are_kept_that_differ_from_the_spec() -> None:
    """What the kubelet gave is kept where the spec asks for something else: a resize that was not made."""
    record = pod("Guaranteed", CPUS)
    same = {"name": "c", "allocatedResources": CPUS["requests"]}
    less = {"name": "c", "allocatedResources": {**CPUS["requests"], "cpu": "1"}}
    for state, kept in ((same, 0), (less, 1), ({"name": "c"}, 0)):
        status = {**msgspec.to_builtins(record.status), "containerStatuses": [state]}
        shown = trimmed(msgspec.convert({**msgspec.to_builtins(record), "status": status}, Pod))
        assert isinstance(shown, Pod)
        assert len(shown.status.container_statuses or ()) == kept


def test_vmi_keeps_the_annotation_that_counts_its_cpus() -> None:
    """Of a VMI's annotations KubeVirt's stay, a copy of the whole manifest does not."""
    text = {
        "metadata": {"uid": "v", "annotations": {"alpha.kubevirt.io/EmulatorThreadCompleteToEvenParity": "", "m": "x"}}
    }
    kept = trimmed(msgspec.convert(text, Vmi))
    assert kept is not None
    assert kept.metadata.annotations == {"alpha.kubevirt.io/EmulatorThreadCompleteToEvenParity": ""}
