"""Twenty equal nodes of which nothing tells the zones: kube-scheduler's own scores spread the VMs."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.instance_types import CX1_2XLARGE
from tests.kit.site import Site, node, site

NODES, VMS = 20, 40
#: One node has the CPUs and pages of seven such VMs.
MOST = 3


@pytest.fixture(scope="module")
def here(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Nodes with static CPU Manager and huge pages, Topology Manager none, no Memory Manager, nothing stated."""
    fleet = [node(f"worker-{number:02}", "H29", "none", pages=64) for number in range(NODES)]
    with site(control_plane, fleet, tmp_path_factory.mktemp("no-facts"), told=False) as running:
        yield running


def test_vms_are_spread(here: Site) -> None:
    """Forty VMs of 9 CPUs at once: every node unknown, none charged, none scored; at most three on one node, none waits."""
    pods = [here.vm(f"vm-{number:02}", CX1_2XLARGE) for number in range(VMS)]
    placed = Counter(here.node_of(pod) for pod in pods)
    assert max(placed.values()) <= MOST, placed
    for pod in pods:
        asked, scored = here.wiretap.of(pod)[:2]
        assert sorted(asked.answer["NodeNames"]) == sorted(asked.args["NodeNames"])
        assert scored.answer == []
