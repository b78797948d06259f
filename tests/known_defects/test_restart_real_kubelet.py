"""A restart of the extender beside real kubelet managers and a real kube-scheduler, after VMs have come and gone.

On each of two nodes a VM of 17 CPUs and one of 9 come to zone 0 (31 CPUs), one of 9 to zone 1 (32), and the first ends:
22 and 23 are free. Played again from their start times both that stay are in zone 0, and zone 1 seems to be empty. One
node's exporter leaves VMs out, as the topology updater of Node Feature Discovery does; the other's shows every pod.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from extender.sample.vms import InstanceType
from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.cluster.processes import wait_for
from tests.kit.instance_types import CX1_2XLARGE, CX1_4XLARGE
from tests.kit.site import Object, Site, node, site
from tests.known_defects.scene import PLACEMENT_TRUTH

#: 25 CPUs with its emulator's: no zone has so many free.
WIDE = InstanceType("wide", 24, 32, "1Gi", passthrough=True, hotplug=False)
#: Exporters by the name of their node.
NODES = {"hides": "nfd", "shows": "exact"}


@dataclass(frozen=True, slots=True)
class Restarted:
    """One node. Each pod is what the kubelet says of it; None: it was not bound."""

    came: list[dict[str, Any]]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Restarted]]:
    fleet = [node(name, "H29", "single-numa-node", pages=64) | {"nrt": mode} for name, mode in NODES.items()]
    with site(control_plane, fleet, tmp_path_factory.mktemp("restart-real")) as here:
        yield played(here)
        here.clear()


def played(here: Site) -> dict[str, Restarted]:
    came: dict[str, list[dict[str, Any]]] = {name: [] for name in NODES}
    first = []
    for number, kind in enumerate((CX1_4XLARGE, CX1_2XLARGE, CX1_2XLARGE)):
        for name in NODES:
            pod = here.vm(f"{name}-{number}", kind, host=name)
            came[name].append(here.verdict(pod))
            first += [pod] if not number else []
        # Start times are in whole seconds.
        time.sleep(1.1)
    for pod in first:
        here.plane.api.delete(here.path(pod), grace=0)
        here.kubelets.wait_released(pod["metadata"]["uid"])
    wait_for(lambda: here.extender.metric("fastfit_charged_pods") == 2 * len(NODES), "the first VMs to end")
    before = {name: tried(here, f"{name}-before", name) for name in NODES}
    here.extender.stop()
    here.extender.start()
    after = {name: tried(here, f"{name}-after", name) for name in NODES}
    return {name: Restarted(came[name], before[name], after[name]) for name in NODES}


def tried(here: Site, name: str, host: str) -> dict[str, Any] | None:
    """What becomes of a wide VM that may run on this node alone: its kubelet's word, None where it is not bound."""
    pod = here.vm(name, WIDE, host=host)
    bound = wait_for(lambda: decided(here, pod), f"a word about {name}")
    verdict = here.verdict(pod) if bound == "bound" else None
    here.plane.api.delete(here.path(pod), grace=0)
    return verdict


def decided(here: Site, pod: Object) -> str:
    """bound, refused, or nothing yet."""
    now = here.now(pod)
    if now["spec"].get("nodeName"):
        return "bound"
    conditions = now["status"].get("conditions", ())
    return "refused" if any(c["type"] == "PodScheduled" and c["status"] == "False" for c in conditions) else ""


@pytest.mark.parametrize("name", NODES)
def test_the_vms_come_to_the_zones_of_the_scene(scene: dict[str, Restarted], name: str) -> None:
    """The first two share a zone, the third has another one to itself."""
    verdicts = scene[name].came
    assert all(verdict["admitted"] for verdict in verdicts)
    hints = [verdict["containers"]["compute"]["hint"] for verdict in verdicts]
    assert hints[0] == hints[1] != hints[2]


@pytest.mark.parametrize("name", NODES)
def test_before_the_restart_the_wide_vm_waits(scene: dict[str, Restarted], name: str) -> None:
    """No zone has room."""
    assert scene[name].before is None


def test_where_the_report_shows_every_pod_it_waits_after_the_restart(scene: dict[str, Restarted]) -> None:
    """The report tells the zones."""
    assert scene["shows"].after is None


@PLACEMENT_TRUTH
def test_where_the_report_hides_vms_it_waits_after_the_restart(scene: dict[str, Restarted]) -> None:
    """Nothing has changed on the node."""
    assert scene["hides"].after is None


@PLACEMENT_TRUTH
def test_no_kubelet_refuses_a_vm_after_the_restart(scene: dict[str, Restarted]) -> None:
    """Where one is sent it is admitted."""
    refused = [each.after["reason"] for each in scene.values() if each.after and not each.after["admitted"]]
    assert refused == []
