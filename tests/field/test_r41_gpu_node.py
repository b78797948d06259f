"""Nodes with free devices are kept for VMs that ask for them."""

from tests.kit.field import run

CASE = "r41-gpu-node"


def test_a_vm_without_devices_leaves_the_gpu_node_alone() -> None:
    """Both nodes give one zone; only `a-gpu` has free GPUs."""
    said = run(CASE, "explain", "--snapshot", "r41.json", "vms/a")
    assert [(name, node["score"]) for name, node in said.nodes().items()] == [("b-plain", 10), ("a-gpu", 9)]
