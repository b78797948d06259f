"""The decision table of kubelet admission, by number, judged on counts: what came before is played by the model."""

import pytest

from _fastfit import Code
from _fastfit import Row as Counted
from extender.kubelet.cpuset import from_ids, parse_cpus
from extender.kubelet.pod import PodDemand
from tests.kit.decision_rows import ROWS, Row, Step
from tests.kit.kernel.backends import Backend
from tests.kit.kernel.rows import answer, ask_of, place, row_of

#: Rows end with a refusal or not; which of our codes says it best.
REFUSALS = {
    "row04": Code.NodeCpuShort,
    "row07": Code.ZoneCpuShort,
    "row08": Code.ZoneCpuShort,
    "row10": Code.NeverFitsZone,
    "row13": Code.NeverFitsZone,
    "row14-15c": Code.NeverFitsZone,
    "row14-16c": Code.NeverFitsZone,
    "row16-SN": Code.ZoneMemoryShort,
    "row16-R": Code.ZoneMemoryShort,
    "row16-BE": Code.ZoneMemoryShort,
    "row17": Code.ZoneMemoryShort,
    "row21-R": Code.MemoryGroupConflict,
    "row21-BE": Code.MemoryGroupConflict,
    "row22": Code.SmtAlignment,
    "row23": Code.NeverFitsZone,
    "row25": Code.SmtAlignment,
    "row30": Code.MemoryGroupConflict,
    "row31": Code.ZonesDisagree,
    "row35": Code.MemoryGroupConflict,
    "row36": Code.NodeCpuShort,
    "row37-without": Code.ZoneCpuShort,
    "row40": Code.ZoneCpuShort,
    "row47-R": Code.MemoryGroupConflict,
    "row47-BE": Code.MemoryGroupConflict,
    "row48": Code.ZoneMemoryShort,
    "row49": Code.NeverFitsZone,
    "row51": Code.NodeCpuShort,
    "row52": Code.NodeCpuShort,
    "row53": Code.NeverFitsZone,
}

#: Each row's node as it is before anything was played on it by other tests.
NODES = {row.id: row.node.clone() for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_decision_row(backend: Backend, row: Row) -> None:
    """Counts decide every row: verdict and code, CPUs per zone, zones of the memory."""
    node = NODES[row.id].clone()
    for step in row.steps:
        if isinstance(step, str):
            node.remove(step)
            continue
        pod = step if isinstance(step, PodDemand) else step.pod
        counted, wanted = row_of(node), ask_of(pod)
        entry = answer(backend, counted, wanted)
        if isinstance(step, PodDemand) or not step.reason:
            assert Code(entry.code) is Code.Fits
            node.admit(pod)
        else:
            assert Code(entry.code) is REFUSALS[row.id]
            node.admit(pod)
            node.remove(pod.uid)
        if isinstance(step, Step) and not step.reason:
            _check_place(backend, counted, step, row)


def _check_place(backend: Backend, counted: Counted, step: Step, row: Row) -> None:
    """The CPUs of a pod with one container, and the zones of its last container's memory."""
    placed = place(backend, counted, ask_of(step.pod))
    assert placed is not None
    own_zones = [from_ids(cpu for core in zone.cores for cpu in core.threads) for zone in row.node.machine.zones]
    if isinstance(step.cpus, str):
        cpus = parse_cpus(step.cpus, "cpus")
        assert placed.cpus == tuple((cpus & own).bit_count() for own in own_zones)
    memory = step.memory.get("c0") if isinstance(step.memory, dict) else step.memory
    if memory:
        last = len(step.pod.containers) - 1
        ids = [zone.id for zone in row.node.machine.zones]
        wanted = sum(1 << ids.index(zone) for zone in memory)
        assert {block.mask for block in placed.blocks if block.container == last} == {wanted}
