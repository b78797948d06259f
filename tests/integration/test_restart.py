"""A VM that was stopped while the extender was away: the next one still knows the layout of its last run.

Two nodes of two zones, 32 CPUs each, policy none. What else runs on `even` leaves four CPUs in one zone, so that a VM of
8 vCPUs gets 4+4 there, and one cell on the other node, which any new VM prefers.
"""

import uuid
from collections.abc import Iterator

import pytest

from extender.cache.vms.layout_entry import shard_of, stated_in
from extender.sample.vms import InstanceType
from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.cluster.processes import wait_for
from tests.kit.instance_types import CX1_2XLARGE
from tests.kit.site import EXTENDER_USER, Object, Site, node, site

#: 27 CPUs, with its emulator's.
FILLER = InstanceType("filler", 26, 8, "1Gi", hotplug=False)


@pytest.fixture(scope="module")
def here(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site of this module, with its filler."""
    fleet = [node(name, "H13", "none", pages=64) for name in ("even", "one")]
    with site(control_plane, fleet, tmp_path_factory.mktemp("restart")) as running:
        assert running.verdict(running.vm("filler", FILLER, host="even"))["admitted"]
        yield running
        running.clear()


def record(here: Site, owner: str) -> str:
    """What our ConfigMap says of a VM; empty: nothing."""
    found = here.plane.api.get(f"/api/v1/namespaces/fastfit/configmaps/{shard_of(owner)}")
    return str(found.get("data", {}).get(owner, ""))


def reads(here: Site, owner: str) -> int:
    """How often the ConfigMap of a VM has been read."""
    name = shard_of(owner)
    events = (event["objectRef"] for event in here.plane.audit(EXTENDER_USER) if event["verb"] == "get")
    return sum(one["name"] == name for one in events)


def end(here: Site, pod: Object) -> None:
    """Stop a VM: its pod and its VMI go."""
    name = pod["metadata"]["name"].removeprefix("virt-launcher-")
    here.plane.api.delete(f"/apis/kubevirt.io/v1/namespaces/{here.namespace}/virtualmachineinstances/{name}")
    here.plane.api.delete(here.path(pod), grace=0)
    here.kubelets.wait_released(pod["metadata"]["uid"])


@pytest.mark.parametrize(("keeps", "expected"), [(True, "even"), (False, "one")])
def test_a_stopped_vm_finds_its_layout_after_our_restart(here: Site, keeps: bool, expected: str) -> None:
    """It ran with 4+4 and was deleted while no extender ran; its new VMI goes where it gets 4+4 again, and only it does.

    With keepLastLayouts off nothing is left of its run, and it goes where every VM goes.
    """
    owner, name = str(uuid.uuid4()), f"db-{expected}"
    first = here.vm(name, CX1_2XLARGE, host="even", owner=owner)
    assert here.verdict(first)["admitted"]
    stated = stated_in(shard_of(owner), owner, wait_for(lambda: record(here, owner), "the record of the VM"))
    assert stated is not None
    assert stated.split == (4, 4)
    here.extender.stop()
    try:
        end(here, first)
        before = reads(here, owner)
        here.extender.configure({"keepLastLayouts": keeps})
    finally:
        here.extender.start()
    if keeps:
        wait_for(lambda: reads(here, owner) > before, "the record to be read")
    stranger = here.vm(f"stranger-{expected}", CX1_2XLARGE, owner=str(uuid.uuid4()))
    assert here.node_of(stranger) == "one"
    second = here.vm(name, CX1_2XLARGE, owner=owner)
    assert second["metadata"]["ownerReferences"][0]["uid"] != first["metadata"]["ownerReferences"][0]["uid"]
    assert here.node_of(second) == expected
    (ranked,) = here.wiretap.of(second, "prioritize")
    assert [entry["Host"] for entry in ranked.answer if entry["Score"] == 10] == [expected]
    assert set(ranked.args["NodeNames"]) == {"even", "one"}
    assert here.verdict(second)["admitted"]
    for pod in (stranger, second):
        end(here, pod)
    if not keeps:
        here.extender.stop()
        here.extender.configure({})
        here.extender.start()
