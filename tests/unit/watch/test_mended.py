"""Objects of which a field is not of its type: the watch takes them, as a snapshot does, and nothing else suffers."""

from typing import Any

import pytest
import structlog

from extender.api.objects import KubeVirt, NodeResourceTopology, Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Record, Source
from extender.pace import Pace
from extender.watch.kinds import KINDS
from extender.watch.store import KindStore
from tests.kit.fakeapi.stream import event
from tests.kit.objects import pod
from tests.kit.verbs import explained
from tests.kit.watch import Hooks, Ledger


class Scene:
    """The watch of one kind, whose first list is empty."""

    def __init__(self, source: Source) -> None:
        self.source, self.ledger, self.hooks = source, Ledger(), Hooks()
        self.kind = KindStore(KINDS[source], self.ledger, self.hooks, Pace())
        list(self.kind.swap(self.kind.incoming(), "100"))

    def see(self, name: str, change: str = "ADDED", **fields: Any) -> None:
        """An event of this object."""
        meta = {"name": name, "namespace": "vms", "uid": f"uid-{name}", "resourceVersion": "101"}
        self.kind.apply(event(change, {"metadata": meta, **fields}))

    def seen(self) -> dict[str, Record]:
        """The objects that the cache has, by name."""
        return {record.metadata.name: record for record in self.ledger.stores[self.source].values()}


def _zone(cost: object = 10, **cpu: object) -> dict[str, Any]:
    amounts = {"name": "cpu", "capacity": "16", "allocatable": "14", "available": "14", **cpu}
    return {"name": "node-0", "type": "Node", "costs": [{"name": "node-0", "value": cost}], "resources": [amounts]}


@pytest.mark.parametrize(
    ("zone", "problem"),
    [
        (_zone(10.0), ""),
        (_zone("10"), ""),
        (_zone("ten"), "$.zones[0].costs[0].value"),
        (_zone(available=[]), "available"),
        ({"costs": [5]}, "costs"),
    ],
)
def test_a_report_is_seen(zone: dict[str, Any], problem: str) -> None:
    """With what it must mean, or marked with the field that says nothing."""
    scene = Scene(Source.NRTS)
    scene.see("bad", zones=[zone])
    scene.see("good", zones=[_zone()])
    seen = scene.seen()
    bad = seen["bad"]
    assert isinstance(bad, NodeResourceTopology)
    assert problem in bad.unreadable
    assert bool(bad.unreadable) is bool(problem)
    assert set(seen) == {"bad", "good"}
    assert (scene.hooks.counts["mended"], scene.hooks.counts["skipped"]) == (1, 0)


def test_it_is_logged_once_and_counted_every_time() -> None:
    """An exporter writes its report every minute."""
    scene = Scene(Source.NRTS)
    with structlog.testing.capture_logs() as logs:
        scene.see("bad", zones=[_zone(10.0)])
        for _ in range(5):
            scene.see("bad", "MODIFIED", zones=[_zone(10.0)])
        scene.see("worse", zones=[_zone(11.0)])
    assert [(entry["event"], entry["name"]) for entry in logs] == [("fields mended", "bad"), ("fields mended", "worse")]
    assert "10.0 is read as 10" in logs[0]["what"]
    assert scene.hooks.counts["mended"] == 7


def test_the_other_fields_of_an_installation_are_read() -> None:
    """KubeVirt's own ratio in another type."""
    scene = Scene(Source.KUBEVIRTS)
    scene.see("kv", spec={"configuration": {"liveUpdateConfiguration": {"maxHotplugRatio": 1.0, "maxCpuSockets": "x"}}})
    record = scene.seen()["kv"]
    assert isinstance(record, KubeVirt)
    live = record.spec.configuration.live_update_configuration
    assert live is not None
    assert (live.max_hotplug_ratio, live.max_cpu_sockets) == (1, None)


def test_a_vm_without_a_field_is_seen_and_not_believed() -> None:
    """Its size would be another one; where it runs is known all the same."""
    scene = Scene(Source.VMIS)
    scene.see(
        "vm", spec={"domain": {"cpu": {"sockets": "many", "dedicatedCpuPlacement": True}}}, status={"nodeName": "n"}
    )
    record = scene.seen()["vm"]
    assert isinstance(record, Vmi)
    assert "sockets" in record.unreadable
    cluster = Cluster()
    cluster.put(Source.VMIS, record)
    assert cluster.vms.guest("uid-vm") is None
    assert cluster.vms.run_of("uid-vm").node == "n"
    assert any("not known" in note for note in explained(cluster, pod("vm", vmi="uid-vm")).notes)


def test_a_pod_that_lost_a_field_is_skipped() -> None:
    """Without its requests it would hold nothing; labels of another type take nothing away."""
    scene = Scene(Source.PODS)
    status = {"phase": "Running", "qosClass": "Guaranteed"}
    scene.see("lost", spec={"containers": [{"name": "c", "resources": {"requests": []}}]}, status=status)
    assert (scene.hooks.counts["mended"], scene.hooks.counts["skipped"], scene.seen()) == (0, 1, {})
    scene.kind.apply(
        event("ADDED", {"metadata": {"name": "kept", "uid": "u", "labels": {"kubevirt.io": True}}, "status": status})
    )
    assert set(scene.seen()) == {"kept"}
    assert scene.hooks.counts["mended"] == 1


def test_a_list_takes_them_too() -> None:
    """The first list of a watch, and each later one."""
    scene = Scene(Source.NRTS)
    incoming = scene.kind.incoming()
    scene.kind.list_line(event("ADDED", {"metadata": {"name": "bad", "uid": "u"}, "zones": [_zone(10.0)]}), incoming)
    list(scene.kind.swap(incoming, "200"))
    assert set(scene.seen()) == {"bad"}
