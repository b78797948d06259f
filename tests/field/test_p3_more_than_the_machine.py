"""More CPUs than the machine has are refused for certain, also where its zones are unequal."""

from tests.kit.field import run


def test_twenty_two_cpus_on_eighteen() -> None:
    """Under every policy and whatever is stated of the node."""
    said = run("p3-more-than-the-machine", "explain", "--snapshot", "snapshot.json", "vms/virt-launcher-vm0-x")
    assert len(said.nodes()) == 20
    assert set(said.verdicts().values()) == {("refused", "NodeCpuShort")}


def test_a_reservation_is_not_made_up() -> None:
    """It is what a report shows of it; none where the capacity equals what is allocatable."""
    nodes = run("p3-more-than-the-machine", "explain", "--snapshot", "full.json", "vms/virt-launcher-vm0-x").nodes()
    reserved = {
        name: [fact["value"] for fact in node["facts"] if fact["name"].startswith("reserved")]
        for name, node in nodes.items()
    }
    assert reserved == {"whole": [], "held-back": ["2"]}
    assert {name: node["code"] for name, node in nodes.items()} == {
        "whole": "NodeCpuShort",
        "held-back": "NodeCpuShort",
    }
