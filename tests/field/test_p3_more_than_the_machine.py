"""More CPUs than the machine has are refused for certain, also where its zones are unequal."""

from tests.kit.field import run


def test_twenty_two_cpus_on_eighteen() -> None:
    """Under every policy and whatever is stated of the node."""
    said = run("p3-more-than-the-machine", "explain", "--snapshot", "snapshot.json", "vms/virt-launcher-vm0-x")
    assert len(said.nodes()) == 20
    assert set(said.verdicts().values()) == {("refused", "NodeCpuShort")}
