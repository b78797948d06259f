"""Files in which a kubelet's settings lie one level down, and one that reserves no CPUs."""

import pytest

from tests.kit.field import Said, run

CASE = "u7-kubelet-files"


def _admit(kubelet: str, output: str = "json") -> Said:
    return run(CASE, "admit", "--machine", "machine.json", "--pod", "pods.json", "--kubelet", kubelet, output=output)


@pytest.mark.parametrize(
    ("kubelet", "reserved"),
    [
        ("ocp-kubeletconfig.yaml", 1),
        ("configz.json", 1),
        ("kubeadm-configmap.yaml", 2),
        ("ocp-list.yaml", 4),
        ("eks-nodeconfig.yaml", 1),
        ("bare-reserved.yaml", 2),
    ],
)
def test_the_settings_are_found(kubelet: str, reserved: int) -> None:
    """With the reservation that is written beside them; 16 CPUs fit a zone of 20."""
    text = _admit(kubelet, "text").text
    assert "Topology Manager single-numa-node" in text
    assert f"CPUS FREE\n     0  {20 - reserved} of 20 ({reserved} reserved)" in text
    assert "admitted\n" in text.partition("Pod vms/virt-launcher-second")[0]


@pytest.mark.parametrize(
    ("kubelet", "words"),
    [
        (
            "noreserve.yaml",
            "noreserve.yaml: reserves no CPUs, and with cpuManagerPolicy static a kubelet does not start",
        ),
        ("ocp-noreserve.yaml", "OpenShift adds one of its own that is not written here"),
        ("ocp-sizing.yaml", "ocp-sizing.yaml: spec.kubeletConfig is missing"),
        ("machineconfig.yaml", "kind MachineConfig has no settings of a kubelet; expected KubeletConfiguration"),
        ("two.json", "two.json: holds 2 objects"),
    ],
)
def test_the_file_at_fault_is_named(kubelet: str, words: str) -> None:
    """Never the machine's."""
    said = _admit(kubelet)
    assert said.code == 2
    assert words in said.text
    assert "machine.json" not in said.text
