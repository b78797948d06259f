"""A VM whose memory was raised from 8Gi to 24Gi: its migration target asks for the new amount."""

from tests.kit.field import run

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
