"""A hundred and fifty nodes: kube-scheduler offers all of them with the shipped file, and a part without its setting."""

from collections.abc import Iterator

import pytest

from _fastfit.codes import Code
from extender.reasons import REASONS
from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.cluster.processes import wait_for
from tests.kit.instance_types import CX1_2XLARGE, U1_MICRO
from tests.kit.site import Object, Site, node, site

COUNT = 150
#: What kube-scheduler looks for at least before it stops looking; 150 nodes are few enough for this to be the limit.
SAMPLE = 100


def fleet() -> list[Object]:
    """One node that takes a VM of 9 CPUs, among many whose zones have 4 CPUs; kube-scheduler's sums allow all."""
    narrow = [node(f"naples-{number:03}", "H10", "single-numa-node", pages=8) for number in range(1, COUNT)]
    return [*narrow[:75], node("lab-1", "H29", "single-numa-node", pages=64), *narrow[75:]]


@pytest.fixture(params=["shipped", "sampling"], scope="module")
def here(
    request: pytest.FixtureRequest, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The site with the shipped scheduler configuration, and with its percentageOfNodesToScore taken out."""
    changes = None if request.param == "shipped" else {"percentageOfNodesToScore": None}
    with site(control_plane, fleet(), tmp_path_factory.mktemp("many"), scheduler_changes=changes) as running:
        yield running


@pytest.fixture
def offered(here: Site) -> int:
    """How many nodes a call of this scheduler offers at most."""
    return COUNT if "percentageOfNodesToScore: 100" in here.scheduler_config.read_text() else SAMPLE


def test_one_node_in_many_is_found(here: Site, offered: int) -> None:
    """With all nodes offered the VM goes to the only one that fits; of a sample each node is answered for."""
    pod = here.vm("rare", CX1_2XLARGE)
    if offered == COUNT:
        assert here.node_of(pod) == "lab-1"
        assert here.verdict(pod)["admitted"]
    else:
        wait_for(lambda: here.wiretap.of(pod, "filter"), "a call")
    for call in here.wiretap.of(pod, "filter"):
        answer = call.answer
        assert len(call.args["NodeNames"]) == offered
        assert answer["NodeNames"] in ([], ["lab-1"])
        if not answer["NodeNames"]:
            texts = set(answer["FailedAndUnresolvableNodes"].values())
            assert texts == {REASONS[Code.NeverFitsZone].text}
            assert len(answer["FailedAndUnresolvableNodes"]) == offered


def test_ordinary_vm_keeps_every_node(here: Site, offered: int) -> None:
    """The names come back as they were sent, and the VM is placed."""
    pod = here.vm("shared", U1_MICRO)
    here.node_of(pod)
    asked, _ = here.wiretap.of(pod)
    assert asked.answer["NodeNames"] == asked.args["NodeNames"]
    assert len(asked.args["NodeNames"]) == offered
