"""A VM whose memory was raised from 8Gi to 24Gi: its migration target asks for the new amount."""

from pathlib import Path

from tests.kit.field import Content, of_kind, run, run_changed

CASE = "f3-memory-hotplug-target"
PAGES = "24Gi hugepages-1Gi"


def test_the_target_asks_for_the_plugged_memory() -> None:
    """KubeVirt renders a target from the VMI's spec: a node with 16 pages in each zone is none."""
    said = run(CASE, "targets", "--snapshot", "snapshot.json", "vms/grow")
    verdicts = said.verdicts()
    assert verdicts["t-large"] == ("fits", "Fits")
    assert verdicts["t-small"] == ("refused", "ZoneMemoryShort")
    assert said.answer["evacuable"]["possible"] == 1
    assert any(PAGES in container for container in said.answer["demand"])


def test_explain_says_the_same_of_the_real_target() -> None:
    """The pod that KubeVirt made then, in the cluster of that moment."""
    real = run(CASE, "explain", "--snapshot", "snapshot-target.json", "vms/virt-launcher-grow-tgt01")
    foreseen = run(CASE, "targets", "--snapshot", "snapshot.json", "vms/grow")
    assert real.answer["demand"] == foreseen.answer["demand"]
    for node in ("t-small", "t-large"):
        assert real.verdicts()[node] == foreseen.verdicts()[node]


def more_sockets(content: Content) -> None:
    """Four sockets more than the pod was made for."""
    [vmi] = of_kind(content, "VirtualMachineInstance")
    vmi["spec"]["domain"]["cpu"] |= {"sockets": 5, "maxSockets": 16}


def more_sockets_and_no_status(content: Content) -> None:
    """The status does not say how many run: the request of the pod shows for how many it was made."""
    more_sockets(content)
    [vmi] = of_kind(content, "VirtualMachineInstance")
    del vmi["status"]["currentCPUTopology"]


def test_the_target_asks_for_the_plugged_cpus(tmp_path: Path) -> None:
    """With or without currentCPUTopology: 20 CPUs."""
    for change in (more_sockets, more_sockets_and_no_status):
        said = run_changed(tmp_path, CASE, "snapshot.json", change, "targets", "vms/grow")
        assert any("20 exclusive CPUs" in container for container in said.answer["demand"])
        assert said.verdicts()["t-large"] == ("fits", "Fits")


def test_a_spec_without_memory_changes_nothing(tmp_path: Path) -> None:
    """What the pod asks for stays: 8Gi, and not nothing."""

    def without(content: Content) -> None:
        [vmi] = of_kind(content, "VirtualMachineInstance")
        del vmi["spec"]["domain"]["memory"]["guest"]

    said = run_changed(tmp_path, CASE, "snapshot.json", without, "targets", "vms/grow")
    assert any("8Gi hugepages-1Gi" in container for container in said.answer["demand"])
