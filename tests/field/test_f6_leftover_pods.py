"""Launcher pods that have ended: a VM's name means the pod that it lives in, and failures are told."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.kit.field import Content, of_kind, run, run_changed

CASE = "f6-leftover-pods"
WORDS = "TopologyAffinityError: Pod was rejected: Resources cannot be allocated with Topology locality"


def test_the_pod_of_a_finished_migration_is_meant() -> None:
    """The old pod has Succeeded: it is no candidate."""
    said = run(CASE, "explain", "--snapshot", "snapshot-migrated.json", "vms/moved")
    assert said.code == 0
    assert said.answer["name"] == "virt-launcher-moved-cur"
    assert said.answer["role"] == "running virtual machine"


def test_targets_takes_the_same_pod() -> None:
    """Its node is no target."""
    said = run(CASE, "targets", "--snapshot", "snapshot-migrated.json", "vms/moved")
    assert said.nodes()["b"]["migration"]["outcome"] == "source node"


def test_of_a_crash_loop_the_last_failure_is_shown() -> None:
    """All launchers have failed: the kubelet's words, and no node that fits in spite of them."""
    said = run(CASE, "explain", "--snapshot", "snapshot-onlyfailed.json", "vms/loopy")
    assert said.code == 1
    assert said.answer["name"] == "virt-launcher-loopy-f5"
    assert WORDS in said.answer["notes"][0]
    assert said.verdicts()["loop-1"] == ("refused", "RefusedBefore")
    assert "5 other pods of this VM failed" in said.answer["notes"][-1]


def test_a_failed_pod_is_not_running() -> None:
    """By its own name too."""
    said = run(CASE, "explain", "--snapshot", "snapshot-onlyfailed.json", "vms/virt-launcher-loopy-f5", output="table")
    assert "running" not in said.text
    assert "ended" in said.text
    assert "TopologyAffinityError" in said.text


def test_a_succeeded_pod_is_not_running() -> None:
    """What the VM's next pod would get is judged, and it is said that this one is over."""
    said = run(CASE, "explain", "--snapshot", "snapshot-migrated.json", "vms/virt-launcher-moved-old")
    assert said.answer["role"] == "ended, judged as its VM's next pod: virtual machine, first boot"
    assert "Succeeded" in said.answer["notes"][0]


def pod_of(content: Content, name: str) -> dict[str, Any]:
    """The pod of that name."""
    return next(pod for pod in of_kind(content, "Pod") if pod["metadata"]["name"] == name)


def test_after_a_migrated_vm_ends_its_next_pod_boots_it(tmp_path: Path) -> None:
    """The label of the migration stays on the pod, and the VM runs nowhere else: no migration's target comes next."""

    def evicted(content: Content) -> None:
        pod_of(content, "virt-launcher-moved-cur")["status"] |= {"phase": "Failed", "reason": "Evicted"}

    said = run_changed(tmp_path, CASE, "snapshot-migrated.json", evicted, "explain", "vms/moved")
    assert said.answer["role"] == "ended, judged as its VM's next pod: virtual machine, first boot"


def test_a_failed_target_is_followed_by_another_one(tmp_path: Path) -> None:
    """The VM runs elsewhere still."""

    def failed(content: Content) -> None:
        pod = deepcopy(pod_of(content, "virt-launcher-moved-cur"))
        pod["metadata"] |= {"name": "virt-launcher-moved-tgt", "uid": "0b7e3d52"}
        pod["spec"]["nodeName"] = "c"
        pod["status"] = {"phase": "Failed"}
        content["items"].append(pod)

    said = run_changed(tmp_path, CASE, "snapshot-migrated.json", failed, "explain", "vms/virt-launcher-moved-tgt")
    assert said.answer["role"] == "ended, judged as its VM's next pod: live-migration target"


def test_the_name_of_a_vm_beats_that_of_other_pods(tmp_path: Path) -> None:
    """A web server's pod has the VM's name; and a VM has the name of a launcher that has ended."""

    def namesakes(content: Content) -> None:
        web, pod = deepcopy(pod_of(content, "virt-launcher-moved-cur")), pod_of(content, "virt-launcher-moved-old")
        web["metadata"] = {"name": "moved", "namespace": "vms", "uid": "5d1c77a2"}
        pod["metadata"]["name"] = "other"
        second = deepcopy(pod_of(content, "virt-launcher-moved-cur"))
        second["metadata"] |= {"name": "virt-launcher-other-x", "uid": "77e09b1c"}
        second["metadata"]["ownerReferences"][0] |= {"name": "other", "uid": "c9a11fe4"}
        content["items"] += [web, second]

    for vm, pod in (("moved", "virt-launcher-moved-cur"), ("other", "virt-launcher-other-x")):
        said = run_changed(tmp_path, CASE, "snapshot-migrated.json", namesakes, "explain", f"vms/{vm}")
        assert said.answer["name"] == pod


def is_deleted(content: Content) -> None:
    """Its pod is being deleted."""
    pod_of(content, "virt-launcher-moved-cur")["metadata"]["deletionTimestamp"] = "2026-09-01T10:00:00Z"


def has_succeeded(content: Content) -> None:
    """Its guest has shut down, the pod is on its way out."""
    of_kind(content, "VirtualMachineInstance")[0]["status"]["phase"] = "Succeeded"


@pytest.mark.parametrize("change", [is_deleted, has_succeeded])
def test_a_vm_that_ends_has_no_targets(tmp_path: Path, change: Any) -> None:
    """KubeVirt migrates it no more."""
    said = run_changed(tmp_path, CASE, "snapshot-migrated.json", change, "targets", "vms/moved")
    assert said.code == 2
    assert "is ending" in said.text


@pytest.mark.parametrize("phase", ["", "Unknown"])
def test_a_bound_pod_without_a_known_phase_is_live(tmp_path: Path, phase: str) -> None:
    """A node that is gone reports nothing; the pod holds what it holds."""

    def silent(content: Content) -> None:
        pod_of(content, "virt-launcher-moved-cur")["status"]["phase"] = phase

    said = run_changed(tmp_path, CASE, "snapshot-migrated.json", silent, "explain", "vms/moved")
    assert said.answer["name"] == "virt-launcher-moved-cur"
    assert said.answer["role"] == "running virtual machine"
