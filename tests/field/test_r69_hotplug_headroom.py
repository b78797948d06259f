"""A target that can never hold the VM at its maxSockets is marked."""

from pathlib import Path
from typing import Any

import pytest

from tests.kit.field import Content, of_kind, run, run_changed

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


def headroom(tmp_path: Path, memory: dict[str, Any], sockets: int = 8, passthrough: bool = False) -> str:
    """What is said of h1 (64 pages in each zone) for a VM of 16Gi with these maxima."""

    def largest(content: Content) -> None:
        cpu = of_kind(content, "VirtualMachineInstance")[0]["spec"]["domain"]
        cpu["memory"] |= memory
        cpu["cpu"]["maxSockets"] = sockets
        if not passthrough:
            del cpu["cpu"]["numa"]

    said = run_changed(tmp_path, CASE, "r69.json", largest, "targets", "vms/grow")
    headroom: str = said.nodes()["h1"]["headroom"]
    return headroom


def test_memory_counts_where_no_memory_manager_does(tmp_path: Path) -> None:
    """The machine has 128 pages in all."""
    assert headroom(tmp_path, {"maxGuest": "64Gi"}) == "holds it at 64Gi (maxGuest) too"
    assert headroom(tmp_path, {"maxGuest": "200Gi"}) == "can never hold it at 200Gi (maxGuest), not even when empty"


def test_guest_cells_exclude_memory_hotplug(tmp_path: Path) -> None:
    """KubeVirt plugs no memory into a VM with guestMappingPassthrough: there is no maximum to hold."""
    assert headroom(tmp_path, {"maxGuest": "200Gi"}, passthrough=True) == ""


@pytest.mark.parametrize("amount", ["lots", "-1Gi"])
def test_a_maximum_that_cannot_be_read_is_none(tmp_path: Path, amount: str) -> None:
    """Nothing else of the VM depends on it."""
    assert headroom(tmp_path, {"maxGuest": amount}) == ""
