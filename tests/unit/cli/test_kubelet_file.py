"""What keeps a kubelet from starting with its KubeletConfiguration file.

The real code: pkg/kubelet/apis/config/validation, cmd/kubelet/app/server.go, pkg/kubelet/cm/cpumanager/policy_options.go
and pkg/kubelet/cm/memorymanager/memory_manager.go, Kubernetes 1.33 to 1.37.
"""

from typing import Any

import pytest

from extender.cli.kubelet_file import check_kubelet_file
from extender.errors import BadObject
from extender.kubelet.facts_json import config_from_json
from extender.kubelet.model import CannotStart

ALPHA = {"cpuManagerPolicy": "static", "cpuManagerPolicyOptions": {"align-by-socket": "true"}}
BETA = {"cpuManagerPolicy": "static", "cpuManagerPolicyOptions": {"distribute-cpus-across-numa": "true"}}
STATIC: dict[str, Any] = {
    "memoryManagerPolicy": "Static",
    "kubeReserved": {"memory": "500Mi"},
    "systemReserved": {"cpu": "500m", "memory": "1Gi"},
}
#: Fields that the model reads; the others are the file's alone.
MODELLED = (
    "cpuManagerPolicy",
    "cpuManagerPolicyOptions",
    "memoryManagerPolicy",
    "reservedMemory",
    "reservedSystemCPUs",
)


def zone(memory: str, **more: str) -> dict[str, Any]:
    """reservedMemory of zone 0."""
    return {"reservedMemory": [{"numaNode": 0, "limits": {"memory": memory, **more}}]}


def check(content: dict[str, Any]) -> None:
    """The file as `admit --kubelet` reads it."""
    config = config_from_json({name: content[name] for name in MODELLED if name in content}, "k.yaml")
    check_kubelet_file(content, config, "k.yaml")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (ALPHA, "align-by-socket needs the feature gate CPUManagerPolicyAlphaOptions"),
        (ALPHA | {"featureGates": {"AllAlpha": True, "CPUManagerPolicyAlphaOptions": False}}, "align-by-socket"),
        (ALPHA | {"featureGates": {"CPUManagerPolicyBetaOptions": True}}, "CPUManagerPolicyAlphaOptions"),
        (BETA | {"featureGates": {"CPUManagerPolicyBetaOptions": False}}, "CPUManagerPolicyBetaOptions"),
        (BETA | {"featureGates": {"AllBeta": False}}, "CPUManagerPolicyBetaOptions"),
        ({"systemReserved": {"hugepages-1Gi": "1Gi"}}, "systemReserved: hugepages-1Gi cannot be reserved"),
        ({"kubeReserved": {"nvidia.com/gpu": "1"}}, "kubeReserved: nvidia.com/gpu cannot be reserved"),
        ({"reservedSystemCPUs": "0, 16"}, "takes no spaces"),
        ({"reservedSystemCPUs": "0", "systemReservedCgroup": "/system.slice"}, "together with systemReservedCgroup"),
        (STATIC | zone("1524Mi"), "reservedMemory is 1524Mi of memory in all, .* come to 1624Mi"),
        (STATIC | zone("1624Mi", **{"hugepages-1Gi": "1Gi"}), "1024Mi of hugepages-1Gi in all"),
        (STATIC | zone("1624Mi") | {"evictionHard": {"nodefs.available": "10%"}}, "come to 1524Mi"),
        (STATIC | zone("1624Mi") | {"evictionHard": {"memory.available": "200Mi"}}, "come to 1724Mi"),
    ],
)
def test_it_does_not_start(content: dict[str, Any], words: str) -> None:
    with pytest.raises(CannotStart, match=f"k.yaml: a kubelet does not start with this: .*{words}"):
        check(content)


@pytest.mark.parametrize(
    "content",
    [
        ALPHA | {"featureGates": {"CPUManagerPolicyAlphaOptions": True}},
        ALPHA | {"featureGates": {"AllAlpha": True}},
        ALPHA | {"cpuManagerPolicy": "none"},
        BETA,
        BETA | {"featureGates": {"AllBeta": False, "CPUManagerPolicyBetaOptions": True}},
        {"kubeReserved": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi", "pid": "1000"}},
        {"reservedSystemCPUs": "0-1,16-17"},
        {"systemReservedCgroup": "/system.slice"},
        STATIC | zone("1624Mi"),
        STATIC | zone("1524Mi") | {"evictionHard": {"nodefs.available": "10%"}},
        STATIC | zone("1524Mi") | {"evictionHard": {"memory.available": "0%"}},
        STATIC | zone("1624Mi") | {"evictionHard": {"nodefs.available": "10%"}, "mergeDefaultEvictionSettings": True},
        STATIC | zone("9Gi") | {"evictionHard": {"memory.available": "5%"}},
        STATIC | zone("9Gi") | {"memoryManagerPolicy": "None"},
        {"memoryManagerPolicy": "Static", "kubeReserved": {"memory": 1073741824}} | zone("1124Mi"),
    ],
)
def test_it_starts(content: dict[str, Any]) -> None:
    """A percentage counts by the machine's memory, which the file does not have: it is not judged."""
    check(content)


@pytest.mark.parametrize(
    "content",
    [
        {"kubeReserved": ["cpu"]},
        STATIC | zone("1624Mi") | {"kubeReserved": {"memory": "much"}},
        STATIC | zone("1624Mi") | {"evictionHard": {"memory.available": True}},
    ],
)
def test_what_cannot_be_read_is_named(content: dict[str, Any]) -> None:
    with pytest.raises(BadObject, match=r"k\.yaml: (kubeReserved|evictionHard)"):
        check(content)
