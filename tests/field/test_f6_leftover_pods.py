"""Launcher pods that have ended: a VM's name means the pod that it lives in, and failures are told."""

from tests.kit.field import run

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
