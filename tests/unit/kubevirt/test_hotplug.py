"""CPU hotplug in words: on, in progress, and off by each of the ways that KubeVirt knows."""

import pytest

from extender.api.objects import KubeVirt
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.kubevirt.guest.size import GuestSize
from extender.kubevirt.hotplug import default_max_sockets, hotplug_words
from extender.kubevirt.installation import Installation, installation_of
from tests.kit.migrations import running, target
from tests.kit.objects import GI, KUBELET_A, machine, node, pod, vmi
from tests.kit.verbs import explained
from tests.unit.kubevirt.test_installation import record

CX1 = {"kubevirt.io/cluster-instancetype-name": "cx1.2xlarge"}
OFF = "CPU hotplug is off: "
DEFAULTS = installation_of(record())
RATIO_1 = installation_of(record(liveUpdateConfiguration={"maxHotplugRatio": 1}))
MOST_8 = installation_of(record(liveUpdateConfiguration={"maxCpuSockets": 8}))
STAGE = installation_of(record(vmRolloutStrategy="Stage"))


def size(sockets: int = 8, most: int | None = 8, cores: int = 1) -> GuestSize:
    """A VM of single-thread cores."""
    return GuestSize(sockets=sockets, cores=cores, memory_bytes=16 * GI, max_sockets=most)


@pytest.mark.parametrize(
    ("installation", "annotations", "words"),
    [
        (DEFAULTS, CX1, "maxSockets equals sockets (by its instance type cx1.2xlarge or the VM)"),
        (DEFAULTS, {}, "maxSockets equals sockets (by the VM)"),
        (RATIO_1, {}, "maxSockets equals sockets (by the cluster-wide maxHotplugRatio 1)"),
        (RATIO_1, CX1, "maxSockets equals sockets (by the cluster-wide maxHotplugRatio 1)"),
        (MOST_8, {}, "maxSockets equals sockets (by the cluster-wide maxCpuSockets 8)"),
        (STAGE, {}, "vmRolloutStrategy of the cluster is Stage, changes wait for a restart"),
        (Installation(), {}, "maxSockets equals sockets (by the VM or the cluster-wide maxHotplugRatio 1)"),
        (
            Installation(),
            CX1,
            "maxSockets equals sockets (by its instance type cx1.2xlarge, the VM or the cluster-wide maxHotplugRatio 1)",
        ),
    ],
    ids=["instance type", "VM", "ratio", "ratio and type", "maxCpuSockets", "Stage", "not seen", "type, not seen"],
)
def test_who_switched_it_off(installation: Installation, annotations: dict[str, str], words: str) -> None:
    """The instance type, the VM and the cluster are told apart where the KubeVirt object is seen."""
    assert hotplug_words(size(), 0, annotations, installation) == OFF + words


def test_the_other_states() -> None:
    """No maximum, a maximum above the sockets, the limit of 512 vCPUs, and a hotplug under way."""
    assert hotplug_words(size(most=None), 0, {}, DEFAULTS) == OFF + "no maxSockets is set"
    assert hotplug_words(size(most=32), 0, {}, DEFAULTS).startswith("CPU hotplug is on: up to 32 vCPUs")
    assert hotplug_words(size(512, 512), 0, {}, DEFAULTS).endswith("(by the limit of 512 vCPUs)")
    moving = hotplug_words(size(12, 32), 8, {}, DEFAULTS)
    assert moving.startswith("CPU hotplug in progress: 8 vCPUs run, the target is made for 12")


@pytest.mark.parametrize(
    ("installation", "sockets", "cores", "most"),
    [
        (DEFAULTS, 8, 1, 32),
        (DEFAULTS, 48, 1, 192),
        (DEFAULTS, 200, 1, 512),
        (DEFAULTS, 64, 4, 128),
        (DEFAULTS, 150, 4, 150),
        (RATIO_1, 8, 1, 8),
        (MOST_8, 4, 1, 8),
        (MOST_8, 12, 1, 12),
        (STAGE, 8, 1, None),
    ],
)
def test_default_max_sockets(installation: Installation, sockets: int, cores: int, most: int | None) -> None:
    """By ratio up to 512 vCPUs, by maxCpuSockets, never below the sockets; none without live update."""
    assert default_max_sockets(size(sockets, None, cores), installation) == most


def told(moving: bool, ratio: KubeVirt | None, cpus: int = 9) -> tuple[str, ...]:
    """What `explain` notes of a VM whose maxSockets is not above its sockets."""
    cluster = Cluster()
    cluster.put(Source.NODES, node("a", KUBELET_A, machine()))
    made = vmi("vm")
    assert made.spec.domain.cpu is not None
    cluster.put(Source.VMIS, made)
    if ratio is not None:
        cluster.put(Source.KUBEVIRTS, ratio)
    if moving:
        cluster.put(Source.PODS, running("vm", "a"))
    return explained(cluster, target("vm") if moving else pod("vm", cpus, 16 if cpus else 0)).notes


@pytest.mark.parametrize("moving", [False, True])
def test_explain_says_it_of_boots_and_moves(moving: bool) -> None:
    """A first boot and a migration target, each with one sentence on hotplug, by the cluster's own configuration."""
    assert OFF + "no maxSockets is set" in told(moving, None)
    stage = OFF + "vmRolloutStrategy of the cluster is Stage, changes wait for a restart"
    assert stage in told(moving, record(vmRolloutStrategy="Stage"))


def test_explain_says_it_of_an_ordinary_vm() -> None:
    """A VM that no zone rule concerns is told about too."""
    assert OFF + "no maxSockets is set" in told(False, None, cpus=0)
