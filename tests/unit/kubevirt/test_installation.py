"""The KubeVirt object: gates by name and by stage, the hotplug ratio, and the defaults without it."""

import msgspec
import pytest

from extender.api.objects import KubeVirt
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.kubevirt.installation import Installation, installation_of


def record(name: str = "kubevirt", **configuration: object) -> KubeVirt:
    """A KubeVirt object as the API server sends it."""
    meta = {"name": name, "namespace": "kubevirt", "uid": f"uid-{name}"}
    return msgspec.convert({"metadata": meta, "spec": {"configuration": configuration}}, KubeVirt)


def test_defaults_without_the_object() -> None:
    """Not seen: ratio 4, live update, no gate named; and that it is a default is said."""
    assert Cluster().vms.kubevirt == Installation(frozenset(), frozenset(), 4, None, live_update=True, known=False)


@pytest.mark.parametrize(
    ("on", "off", "otherwise", "expected"),
    [
        (["PCINUMAAwareTopology"], [], False, True),
        ([], ["PCINUMAAwareTopology"], True, False),
        (["PCINUMAAwareTopology"], ["PCINUMAAwareTopology"], False, True),
        ([], [], True, True),
        ([], [], False, False),
        (["CPUManager"], [], False, False),
    ],
    ids=["enabled", "disabled", "both", "beta", "alpha", "another"],
)
def test_gates(on: list[str], off: list[str], *, otherwise: bool, expected: bool) -> None:
    """Named in featureGates wins, then in disabledFeatureGates, then the stage of the gate."""
    known = installation_of(record(developerConfiguration={"featureGates": on, "disabledFeatureGates": off}))
    assert known.gate("PCINUMAAwareTopology", default=otherwise) is expected


@pytest.mark.parametrize(("stated", "expected"), [({}, 4), ({"maxHotplugRatio": 0}, 4), ({"maxHotplugRatio": 1}, 1)])
def test_ratio(stated: dict[str, int], expected: int) -> None:
    """maxHotplugRatio as stated; nothing and 0 are the default."""
    assert installation_of(record(liveUpdateConfiguration=stated)).max_hotplug_ratio == expected


def test_sockets_and_rollout() -> None:
    """maxCpuSockets and vmRolloutStrategy are read; an empty object is known and holds the defaults."""
    known = installation_of(record(liveUpdateConfiguration={"maxCpuSockets": 8}, vmRolloutStrategy="Stage"))
    assert (known.max_cpu_sockets, known.live_update) == (8, False)
    assert installation_of(msgspec.convert({}, KubeVirt)) == Installation(known=True)


def test_object_comes_and_goes() -> None:
    """The picture follows the object: put, a list without it, deleted, kind not served."""
    cluster = Cluster()
    cluster.put(Source.KUBEVIRTS, record(liveUpdateConfiguration={"maxHotplugRatio": 2}))
    assert cluster.vms.kubevirt.max_hotplug_ratio == 2
    before = cluster.changes
    cluster.replace(Source.KUBEVIRTS, [])
    assert not cluster.vms.kubevirt.known
    assert cluster.changes > before
    cluster.put(Source.KUBEVIRTS, record())
    cluster.delete(Source.KUBEVIRTS, record())
    assert not cluster.vms.kubevirt.known
    cluster.put(Source.KUBEVIRTS, record())
    cluster.absent(Source.KUBEVIRTS)
    assert not cluster.vms.kubevirt.known


def test_of_two_objects_one_counts() -> None:
    """KubeVirt runs with one object; should there be two, always the same one is read."""
    cluster = Cluster()
    for name, ratio in (("b", 2), ("a", 3), ("c", 5)):
        cluster.put(Source.KUBEVIRTS, record(name, liveUpdateConfiguration={"maxHotplugRatio": ratio}))
    assert cluster.vms.kubevirt.max_hotplug_ratio == 3
