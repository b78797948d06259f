"""A target that can never hold the VM at its maxSockets is marked."""

from tests.kit.field import run

CASE = "r69-hotplug-headroom"


def test_a_target_that_is_too_small_at_the_maximum() -> None:
    """Zones of 16 CPUs under single-numa-node; with 16 vCPUs and an emulator thread the VM needs 17."""
    said = run(CASE, "targets", "--snapshot", "r69.json", "vms/grow")
    node = said.nodes()["h2"]
    assert node["verdict"] == "fits"
    assert node["headroom"] == "can never hold it at 16 vCPUs (maxSockets 16), not even when empty"


def test_the_table_says_so() -> None:
    """Beside what becomes of the migration."""
    said = run(CASE, "targets", "--snapshot", "r69.json", "vms/grow", output="table")
    assert "can never hold it" in " ".join(said.text.split())
