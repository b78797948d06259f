"""What must hold whatever the node: order does not matter, more free never hurts, no zone gives more than it has."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _fastfit import Ask, CellsAsk, Code, ContainerAsk, Mode, OnUnknown, Policy, Row, Scope
from _fastfit.codes import pack_actions
from tests.kit.kernel.backends import Backend
from tests.kit.kernel.rows import GI, GPU, PAGES, answer, ask, names, place, row, vm, zone
from tests.kit.kernel.strategies import asks, rows

PATIENT = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)


@PATIENT
@given(st.data())
def test_order_of_names_does_not_matter(backend: Backend, data: st.DataObject) -> None:
    """A permuted request permutes the survivors and changes nothing else."""
    nodes = [data.draw(rows(name=f"n{number}", most=3)) for number in range(5)]
    wanted = data.draw(asks())
    table = backend.table(*nodes)
    one = table.fit(table.prepare(wanted), names(*nodes))
    shuffled = data.draw(st.permutations(nodes))
    other = table.fit(table.prepare(wanted), names(*shuffled))
    assert one.best() == other.best()
    assert one.score_reply() == other.score_reply()
    assert sorted(one.entries(), key=lambda entry: entry.name) == sorted(other.entries(), key=lambda entry: entry.name)
    survivors = {entry.name for entry in one.entries() if entry.survives}
    assert other.filter_reply().startswith(
        b'{"NodeNames":' + names(*(node for node in shuffled if node.name in survivors)) + b","
    )


@PATIENT
@given(rows(), asks())
def test_no_zone_gives_more_than_it_has(backend: Backend, node: Row, wanted: Ask) -> None:
    """A placement stays inside each zone's CPUs, devices and pages, and is complete."""
    placed = place(backend, node, wanted)
    if placed is None:
        return
    assert all(0 <= count <= own.cpu_free for count, own in zip(placed.cpus, node.zones, strict=True))
    lasting = sum(part.cpus for part in wanted.containers if part.kind)
    if node.cpu_static:
        assert sum(placed.cpus) >= lasting
    for name, counts in placed.devices:
        assert all(count <= own.device_free.get(name, 0) for count, own in zip(counts, node.zones, strict=True))
    for cell in placed.cells:
        pages = node.zones[cell.zone].pages_free
        assert pages is not None
        assert pages[PAGES] >= cell.bytes


#: One container and no option that hides ids: more CPUs in a zone can then only help. Memory is left out: groups and
#: preferred widths make it otherwise on purpose.
@PATIENT
@given(rows(most=4), st.integers(1, 20), st.data())
def test_more_free_cpus_never_hurt(backend: Backend, node: Row, cpus: int, data: st.DataObject) -> None:
    """A pod of one container that fits still fits when a zone has more free CPUs."""
    node = replace(
        node, memory_static=False, memory_open=False, full_pcpus_only=False, node_code=Code.Fits, cpu_static=True
    )
    wanted = ask((2, cpus, 1, 0))
    if answer(backend, node, wanted).code != Code.Fits:
        return
    place_ = data.draw(st.integers(0, len(node.zones) - 1))
    own = node.zones[place_]
    more = replace(own, cpu_free=own.cpu_total, cores_free=own.cpu_total // node.threads_per_core)
    better = replace(node, zones=(*node.zones[:place_], more, *node.zones[place_ + 1 :]))
    assert answer(backend, better, wanted).code == Code.Fits


@PATIENT
@given(st.data())
def test_a_kept_query_answers_like_a_new_one(backend: Backend, data: st.DataObject) -> None:
    """What a query remembers is what it would find."""
    nodes = [data.draw(rows(name=f"n{number}", most=2)) for number in range(3)]
    wanted = data.draw(asks())
    table = backend.table(*nodes)
    for _ in range(3):
        changed = data.draw(rows(name=data.draw(st.sampled_from(["n0", "n1", "n2"])), most=2))
        table.put(changed)
        nodes = [changed if node.name == changed.name else node for node in nodes]
        kept = table.fit(table.prepare(wanted), names(*nodes))
        fresh = backend.table(*nodes)
        assert kept.entries() == fresh.fit(fresh.prepare(wanted), names(*nodes)).entries()


# --- single rules that the tables above do not reach -------------------------------------------------


def test_unknown_node_still_lacks_pages(backend: Backend) -> None:
    """A size that the node certainly lacks refuses it, whatever else is unknown; a node with no sizes known does not."""
    doubtful = row([zone(0, 16)], node_code=Code.PolicyNotKnown)
    wanted = ask((2, 2, 1, 1))
    assert answer(backend, doubtful, wanted).code == Code.PolicyNotKnown
    assert (
        answer(backend, replace(doubtful, page_sizes=frozenset({"hugepages-2Mi"})), wanted).code == Code.NoPagesOfSize
    )
    assert answer(backend, replace(doubtful, page_sizes=frozenset()), wanted).code == Code.PolicyNotKnown


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"cpu_static": False}, Code.CpuManagerNotStatic),
        ({"cpu_static": False, "cpu_policy_known": False}, Code.CpuManagerNotKnown),
        ({"cpu_policy_known": False, "page_sizes": frozenset({"hugepages-2Mi"})}, Code.NoPagesOfSize),
        ({"cpu_policy_known": False, "page_sizes": frozenset()}, Code.CpuManagerNotKnown),
        ({"page_sizes": frozenset()}, Code.NoPagesOfSize),
        ({"zones": (), "distances": ()}, Code.ZonesNotReported),
        ({"zones": tuple(zone(place, 2) for place in range(17)), "distances": ()}, Code.TooManyZones),
        ({"node_code": Code.KubeletCannotStart, "cpu_static": False}, Code.KubeletCannotStart),
    ],
)
def test_facts_of_the_whole_node(backend: Backend, change: dict, code: Code) -> None:
    """Each has its own code."""
    node = replace(row([zone(0, 16), zone(1, 16)]), **change)
    assert answer(backend, node, vm(9, 16, cores=8)).code == code


def test_init_cpus_in_doubt(backend: Backend) -> None:
    """A third container depends on whether an app container took over the init container's CPUs: not decided."""
    node = row([zone(0, 8), zone(1, 8)], Policy.BEST_EFFORT)
    assert answer(backend, node, ask((0, 2, 1, 0), (2, 4, 1, 0), (2, 2, 1, 0))).code == Code.InitContainerCpus
    assert answer(backend, node, ask((0, 2, 1, 0), (2, 4, 1, 0))).code == Code.Fits
    wanted = ask((0, 2, 1, 0), (2, 4, 1, 0), (2, 2, 1, 0))
    assert answer(backend, replace(node, policy=Policy.NONE), wanted).code == Code.Fits


def test_split_in_doubt(backend: Backend) -> None:
    """An option hides the split: a single container is decided, a second one that needs hints is not."""
    node = row([zone(0, 14), zone(1, 15)], Policy.BEST_EFFORT, uncore=True)
    assert answer(backend, node, ask((2, 20, 1, 0))).code == Code.Fits
    assert answer(backend, node, ask((2, 20, 1, 0), (2, 4, 1, 0))).code == Code.OptionsUndecided
    assert answer(backend, node, ask((2, 29, 1, 0))).code == Code.Fits
    placed = place(backend, node, ask((2, 20, 1, 0)))
    assert placed is not None
    assert not placed.exact


def test_distribution_over_many_zones_is_not_searched(backend: Backend) -> None:
    """More than eight zones in the pool: the even split is not computed, the verdict is."""
    node = row([zone(place_, 4, 4) for place_ in range(9)], Policy.NONE, distribute=True)
    placed = place(backend, node, ask((2, 9, 1, 0)))
    assert placed is not None
    assert not placed.exact


def test_dont_care_hints(backend: Backend) -> None:
    """Scope pod does not see memory that only an init container asks for: all zones, and the allocator widens no more."""
    node = row([zone(0, 4, memory=0), zone(1, 4)], Policy.BEST_EFFORT, scope=Scope.POD, memory_static=True)
    wanted = Ask((ContainerAsk(0, 0, (("memory", GI),)), ContainerAsk(2, 0)))
    placed = place(backend, node, wanted)
    assert placed is not None
    assert [block.mask for block in placed.blocks] == [3]


def test_devices_refuse_and_are_given(backend: Backend) -> None:
    """Devices bind the pod to their zones; too few are refused under every policy."""
    gpus = {"device_total": {GPU: 2}, "device_free": {GPU: 1}}
    zones = [zone(0, 16), zone(1, 16, **gpus)]
    wanted = Ask((ContainerAsk(2, 2, (), ((GPU, 1),)),))
    for policy in Policy:
        placed = place(backend, row(zones, policy), wanted)
        assert placed is not None
        assert placed.devices == ((GPU, (0, 1)),)
        assert placed.cpus == ((2, 0) if policy is Policy.NONE else (0, 2))
        many = Ask((ContainerAsk(2, 2, (), ((GPU, 2),)),))
        assert answer(backend, row(zones, policy), many).code == Code.DeviceZoneShort


def test_devices_without_zones_do_not_bind(backend: Backend) -> None:
    """A device resource that no zone of the node knows constrains nothing."""
    wanted = Ask((ContainerAsk(2, 2, (), (("devices.kubevirt.io/kvm", 1),)),))
    assert answer(backend, row([zone(0, 16)]), wanted).code == Code.Fits


def test_rank_resource_without_memory_manager(backend: Backend) -> None:
    """Without Memory Manager the pages that no VM holds rank the node, where they are known."""
    tight, loose = (row([zone(0, 16, physical=pages)], name=name) for name, pages in (("tight", 16), ("loose", 32)))
    table = backend.table(tight, loose)
    fit = table.fit(table.prepare(vm(9, 16, cores=8)), names("loose", "tight"))
    assert fit.best() == ("tight", Code.Fits)


def test_modes_and_doubts_are_enums(backend: Backend) -> None:
    """A row carries its mode and doubt setting through the table."""
    node = row(
        [zone(0, 1)], Policy.NONE, scope=Scope.POD, mode=Mode.SCORE, actions=pack_actions(lambda _: OnUnknown.ERROR)
    )
    entry = answer(backend, node, Ask((ContainerAsk(2, 2),), cells=CellsAsk(0, 2, 1, PAGES, GI, GI)))
    assert (entry.code, entry.survives) == (Code.NodeCpuShort, True)
