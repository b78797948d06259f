"""kill -9 of the extender in a burst of VMs: real kube-scheduler, real calls, real kubelet managers as judges."""

import json
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from extender.cache.events import Source
from extender.watch.kinds import KINDS
from tests.faults.truth import differences_of_process
from tests.kit import objects as builders
from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.cluster.processes import wait_for
from tests.kit.instance_types import CX1_4XLARGE
from tests.kit.site import Object, Site, node, site

#: Each node holds two VMs of 17 CPUs, one in each zone.
NODES = 8
ROOM = 2 * NODES
VMS = ROOM + 4


@pytest.fixture(scope="module")
def here(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with room for fewer VMs than come."""
    fleet = [node(f"burst-{number}", "H29", "single-numa-node", pages=64) for number in range(NODES)]
    with site(control_plane, fleet, tmp_path_factory.mktemp("killed")) as running:
        yield running


def test_killed_in_a_burst_it_charges_no_zone_twice_and_loses_no_pod(here: Site) -> None:
    """Killed twice while VMs are being placed: all that fit are bound and admitted, the others wait and say why.

    Each time it starts it says that it is not ready until it is; in the end it answers as a fresh list demands.
    """
    with ThreadPoolExecutor(1) as kubevirt:
        created = kubevirt.submit(create, here)
        for calls in (5, 6):
            # Of the 40 calls that so many VMs take; replies and bindings are under way at this moment.
            enough = len(here.wiretap.calls) + calls
            wait_for(lambda enough=enough: len(here.wiretap.calls) >= enough, "calls to come", pause=0.0005)
            here.extender._process.stop(signal.SIGKILL)
            # Calls into the void, and promises that the next process knows nothing of.
            time.sleep(0.5)
            start_again(here)
        pods = created.result()
    wait_for(lambda: len(bound(here)) == ROOM, "all VMs that fit to be bound", patience=120)
    verdicts = [here.verdict(pod) for pod in bound(here)]
    assert [verdict["reason"] for verdict in verdicts if not verdict["admitted"]] == []
    assert set(Counter(pod["spec"]["nodeName"] for pod in bound(here)).values()) == {2}
    uids = {pod["metadata"]["uid"] for pod in bound(here)}
    waiting = [pod for pod in pods if pod["metadata"]["uid"] not in uids]
    assert len(waiting) == VMS - ROOM
    for pod in waiting:
        wait_for(lambda pod=pod: here.refusal(pod)["reason"] == "Unschedulable", "a verdict, not a failed call")
    # A place that comes free goes to one of those that wait.
    here.plane.api.delete(here.path(bound(here)[0]), grace=0)
    wait_for(
        lambda: len(uids | {pod["metadata"]["uid"] for pod in bound(here)}) == ROOM + 1, "the free place to be taken"
    )
    newest = next(pod for pod in bound(here) if pod["metadata"]["uid"] not in uids)
    assert here.verdict(newest)["admitted"]
    assert len(bound(here)) == ROOM
    assert answers_at_last(here) == []
    here.extender._process.stop(signal.SIGKILL)


def create(here: Site) -> list[Object]:
    """All VMs at once."""
    return here.plane.api.create_all([here.manifest(f"burst-{number}", CX1_4XLARGE) for number in range(VMS)])


def answers_at_last(here: Site) -> list[str]:
    """Where the restarted process answers otherwise than a picture made of lists alone. Nothing may happen meanwhile."""
    here.scheduler.stop()
    wait_for(lambda: here.extender.metric("fastfit_charged_pods") == ROOM, "promises to end")
    lists = {source: here.plane.api.items(kind.resource.collection) for source, kind in KINDS.items()}
    assert len(lists[Source.PODS]) == VMS - 1
    tracked_pods = int(here.extender.metric("fastfit_charged_pods"))
    return differences_of_process(lambda verb, body: ask(here, verb, body), tracked_pods, lists)


def start_again(here: Site) -> None:
    """Start it, and call it from the first moment on: until it is ready it gives no verdict, and then it does."""
    here.extender._process.start()
    probe = json.loads(msgspec.json.encode(builders.pod("too-wide", 33, 64)))
    call = json.dumps({"Pod": probe, "Nodes": None, "NodeNames": ["burst-0"]}).encode()
    early = 0
    while True:
        ready = is_ready(here)
        try:
            error = json.loads(ask(here, "filter", call))["Error"]
        except OSError:
            assert not ready
        else:
            early += bool(error)
            assert "not ready" in error if error else is_ready(here), error
            if ready:
                assert not error
                break
        time.sleep(0.002)
    assert early, "it was never called before it was ready"


def is_ready(here: Site) -> bool:
    """What /readyz says."""
    try:
        here.extender.get("/readyz")
    except OSError:
        return False
    return True


def ask(here: Site, verb: str, body: bytes) -> bytes:
    """A call past the wiretap."""
    with urllib.request.urlopen(f"{here.extender.url}/{verb}", body, timeout=10) as reply:
        return bytes(reply.read())


def bound(here: Site) -> list[Object]:
    """The VMs that have a node."""
    pods = here.plane.api.items(f"/api/v1/namespaces/{here.namespace}/pods")
    return [pod for pod in pods if pod["spec"].get("nodeName")]
