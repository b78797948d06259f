"""Which CPUs are taken: orders, options, odd machines, the storage quirk of the distribution, and configurations."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extender.kubelet.admission import Kubelet
from extender.kubelet.cpu_assignment import TakeError, take_packed, zones_by_fit
from extender.kubelet.cpu_distribution import take_distributed
from extender.kubelet.cpu_topology import CpuTopology, shared_topology
from extender.kubelet.cpuset import format_cpus, from_ids, parse_cpus
from extender.kubelet.model import CannotStart
from extender.kubelet.results import Admitted, ContainerPlacement, Refused
from tests.kit.kubelet_nodes import A, B, C, D, F, config, kubelet, machine, parse_machine, pod


def topology(node: dict[str, Any]) -> CpuTopology:
    return CpuTopology(parse_machine(node))


def test_topology_is_shared_by_record() -> None:
    """One record, one topology; an equal record has its own, and the store of topologies is bounded."""
    first, second = parse_machine(A), parse_machine(A)
    assert shared_topology(first) is shared_topology(first)
    assert shared_topology(first) is not shared_topology(second)
    kept, later = shared_topology(first), shared_topology(second)
    machines = [parse_machine(F) for _ in range(511)]
    for other in machines:
        shared_topology(other)
    assert shared_topology(second) is later
    assert shared_topology(first) is not kept
    assert shared_topology(machines[-1]) is shared_topology(machines[-1])
    assert shared_topology(machines[1]).all == 0xFF


def packed(node: dict[str, Any], pool: str, need: int, **options: bool) -> str:
    taken = take_packed(topology(node), parse_cpus(pool, "pool"), need, **options)
    return taken.message if isinstance(taken, TakeError) else format_cpus(taken)


def distributed(node: dict[str, Any], pool: str, need: int, group: int = 1, *, one_socket: bool = False) -> str:
    cpus = topology(node)
    taken = take_distributed(
        cpus, parse_cpus(pool, "pool"), need, group, one_socket, lambda p, n: take_packed(cpus, p, n)
    )
    return taken.message if isinstance(taken, TakeError) else format_cpus(taken)


def reserved(node: dict[str, Any], count: int, *options: str) -> str:
    settings = config("NO", "", memory=False, cpu_options=options) | {"reservedCPUCount": count}
    twin = kubelet(node, settings)
    shared = parse_cpus(str(twin.state()["sharedPoolCPUs"]), "shared")
    free = twin.counts()
    answer = twin.admit(pod("all", f"{sum(zone.cpu_free for zone in free.zones)}c"))
    return format_cpus(shared & ~from_ids(answer.containers["c0"].cpus))


@pytest.mark.parametrize(
    ("pool", "need", "cpus"),
    [
        ("0-31", 0, ""),
        ("0-31", 1, "0"),
        ("0-31", 2, "0,16"),
        ("0-31", 3, "0-1,16"),
        ("0-31", 16, "0-7,16-23"),  # a whole zone
        ("0-31", 18, "0-8,16-24"),
        ("1-15,17-31", 16, "8-15,24-31"),  # zone 0 is not whole
        ("1-15,17-31", 4, "1-2,17-18"),  # the fuller zone first
        ("1-15,18-31", 3, "1-2,18"),  # CPU 1 stands alone in its core and comes last of a whole core
        ("1-15,18-31", 1, "1"),  # a broken core goes first
        ("0-31", 32, "0-31"),
        ("0-3", 5, "not enough cpus available to satisfy request: requested=5, available=4"),
    ],
)
def test_packed(pool: str, need: int, cpus: str) -> None:
    """Best fit on two zones of eight cores."""
    assert packed(A, pool, need) == cpus


@pytest.mark.parametrize(
    ("pool", "need", "cpus"),
    [
        ("0-31", 16, "0-7,16-23"),  # a whole socket before whole zones
        ("1-31", 16, "8-15,24-31"),
        ("1-31", 8, "4-7,20-23"),  # the whole zone of the fuller socket
        ("1-31", 4, "1-2,17-18"),  # of zones in that socket, the fuller one
    ],
)
def test_packed_with_zones_inside_sockets(pool: str, need: int, cpus: str) -> None:
    """Where a socket has several zones, sockets are the outer level."""
    assert packed(B, pool, need) == cpus


def test_zones_by_fit() -> None:
    """The emptiest zone last, by socket."""
    assert zones_by_fit(topology(B), parse_cpus("0-7,9-15,16-31", "pool")) == [2, 3, 0, 1]


@pytest.mark.parametrize(
    ("pool", "need", "cpus"),
    [
        ("0-31", 3, "0-2"),
        ("1-15,17-31", 9, "1-7,17-18"),
        ("1-15,17-31", 16, "8-15,24-31"),
    ],
)
def test_spread(pool: str, need: int, cpus: str) -> None:
    """One thread per core with split numbering; whole zones still go first."""
    assert packed(A, pool, need, spread=True) == cpus


@pytest.mark.parametrize(
    ("pool", "need", "cpus"),
    [
        ("0-31", 8, "0-3,16-19"),  # a whole cache
        ("0-31", 10, "0-4,16-20"),  # a whole one and a core of the next
        ("0-31", 5, "0-2,16-17"),  # odd: the last core gives one thread
        ("1-31", 8, "4-7,20-23"),  # the first cache is not whole
        ("0-1,4-31", 4, "0-1,16-17"),
        ("0,4-6,8-10,16,20-22,24-26", 6, "4-6,20-22"),  # the first cache has too little
        ("0-1,4-5,16-17,20-21", 6, "0-1,4,16-17,20"),  # no cache has it: cores in order
        ("0-8,12-24,29-31", 9, "0-3,8,16-19"),  # a rest of one comes from the emptiest cache, not the broken core 12
    ],
)
def test_caches(pool: str, need: int, cpus: str) -> None:
    """Four caches of four cores."""
    assert packed(D, pool, need, align_caches=True) == cpus


def test_the_last_cpu_is_looked_for_in_every_cache() -> None:
    """Four threads per core: the emptier cache does not hold the one CPU that is left to take, the next one does."""
    quad = machine(1, 1, 8, 4, cores_per_l3=2)
    assert packed(quad, "2-3,5,7-13,15-16,18-19,21-31", 9, align_caches=True) == "2-3,10-12,18-19,26-27"


@pytest.mark.parametrize(
    ("node", "count", "options", "cpus"),
    [
        (A, 2, [], "0,16"),
        (A, 3, [], "0-1,16"),
        (A, 4, ["distribute-cpus-across-numa"], "0-1,16-17"),
        (A, 3, ["distribute-cpus-across-cores"], "0-2"),
        (B, 18, ["distribute-cpus-across-numa"], "0-2,4-6,8-10,16-18,20-22,24-26"),
    ],
)
def test_reserved_by_count(node: dict[str, Any], count: int, options: list[str], cpus: str) -> None:
    """The CPU Manager picks reserved CPUs as it picks any, with its options."""
    assert reserved(node, count, *options) == cpus


@pytest.mark.parametrize(
    ("pool", "need", "group", "cpus"),
    [
        ("0-31", 6, 1, "0-2,16-18"),  # one zone is enough
        ("0-31", 20, 1, "0-4,8-12,16-20,24-28"),
        ("0-31", 21, 1, "0-5,8-12,16-20,24-28"),
        ("1-31", 20, 1, "1-5,8-12,17-21,24-28"),
        ("0-31", 22, 2, "0-5,8-12,16-21,24-28"),  # whole cores
        ("0-31", 21, 2, "0-10,16-25"),  # not in groups: packed
        ("0-3", 5, 1, "not enough cpus available to satisfy request: requested=5, available=4"),
        ("0-3", 0, 1, ""),
    ],
)
def test_distributed(pool: str, need: int, group: int, cpus: str) -> None:
    """Even shares over the fewest zones, the rest where it leaves most balance."""
    assert distributed(A, pool, need, group) == cpus


def test_distribution_shares_storage_as_the_kubelet_does() -> None:
    """Six zones of two CPUs, one reserved: 2 each of zones 1-4 is chosen, but the kept list ends as 1, 2, 3, 5."""
    six = machine(1, 6, 1)
    twin = kubelet(six, config("NO", "0", memory=False, cpu_options=["distribute-cpus-across-numa"]))
    answer = twin.admit(pod("p", "8c"))
    assert format_cpus(from_ids(answer.containers["c0"].cpus)) == "1-3,5,7-9,11"


@settings(deadline=None)
@given(st.integers(1, 2**40 - 1), st.integers(1, 40), st.sampled_from([1, 2]), st.booleans())
def test_distributed_gives_what_is_asked(pool: int, need: int, group: int, one_socket: bool) -> None:
    """Any pool of five zones: CPUs of the pool and exactly as many as asked, or an error, and always an end."""
    cpus = topology(machine(1, 5, 4))
    taken = take_distributed(cpus, pool, need, group, one_socket, lambda p, n: take_packed(cpus, p, n))
    if isinstance(taken, TakeError):
        assert need > pool.bit_count() or "accounting error" in taken.message
    else:
        assert taken & ~pool == 0
        assert taken.bit_count() == need


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 33), st.booleans(), st.booleans(), st.sampled_from([A, B, C, D]))
def test_packed_gives_what_is_asked(pool: int, need: int, spread: bool, align: bool, node: dict[str, Any]) -> None:
    """Any pool of a regular machine: exactly the CPUs asked for, or "not enough"."""
    cpus = topology(node)
    pool &= cpus.all
    taken = take_packed(cpus, pool, need, spread=spread, align_caches=align)
    if isinstance(taken, TakeError):
        assert need > pool.bit_count()
    else:
        assert taken & ~pool == 0
        assert taken.bit_count() == need


def test_unequal_cores_are_misjudged_as_in_the_kubelet() -> None:
    """A hybrid machine: 1.5 threads per core on average count as 1, so a core half free looks whole."""
    hybrid = {
        "sockets": 1,
        "numa": [
            {
                "id": 0,
                "memoryBytes": 1 << 30,
                "cores": [{"socket": 0, "threads": [0, 1]}, {"socket": 0, "threads": [2]}],
            }
        ],
    }
    assert topology(hybrid).cpus_per_core == 1
    assert packed(hybrid, "1-2", 2) == "0-1"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"cpuManagerPolicy": "dynamic"}, "cpuManagerPolicy"),
        ({"cpuManagerPolicy": "none", "cpuManagerPolicyOptions": {"full-pcpus-only": "true"}}, "no options"),
        ({"cpuManagerPolicyOptions": {"fast": "true"}}, "not an option"),
        ({"cpuManagerPolicyOptions": {"full-pcpus-only": "on"}}, "not a boolean"),
        ({"reservedSystemCPUs": ""}, "needs reserved CPUs"),
        ({"reservedSystemCPUs": "0,99"}, "no CPU 99"),
        ({"reservedSystemCPUs": "", "reservedCPUCount": 33}, "cannot be reserved"),
        (
            {"topologyManagerPolicy": "single-numa-node", "cpuManagerPolicyOptions": {"align-by-socket": "1"}},
            "excludes",
        ),
    ],
)
def test_cannot_start(settings: dict[str, Any], text: str) -> None:
    """Configurations of the CPU Manager with which the kubelet stops at its start."""
    with pytest.raises(CannotStart, match=text):
        kubelet(A, config("R", "0,16", memory=False) | settings)


@pytest.mark.parametrize(
    "pair",
    [
        ("full-pcpus-only", "distribute-cpus-across-cores"),
        ("distribute-cpus-across-numa", "distribute-cpus-across-cores"),
        ("prefer-align-cpus-by-uncorecache", "distribute-cpus-across-cores"),
        ("prefer-align-cpus-by-uncorecache", "distribute-cpus-across-numa"),
    ],
)
def test_exclusive_options(pair: tuple[str, str]) -> None:
    """Pairs of options that exclude each other; one of them off is fine."""
    with pytest.raises(CannotStart, match="exclude each other"):
        kubelet(A, config("R", "0,16", memory=False, cpu_options=pair))
    kubelet(A, config("R", "0", memory=False) | {"cpuManagerPolicyOptions": {pair[0]: "true", pair[1]: "false"}})


def test_align_by_socket_needs_zones() -> None:
    """More sockets than zones: align-by-socket does not start."""
    node = machine(1, 1, 4) | {"sockets": 2}
    with pytest.raises(CannotStart, match="as many zones as sockets"):
        kubelet(node, config("R", "0", memory=False, cpu_options=["align-by-socket"]))


def test_distribution_reports_what_it_could_not_take() -> None:
    """Shares that cannot be taken are skipped, as in the kubelet, and the sum is then found wanting."""
    taken = take_distributed(topology(A), parse_cpus("0-31", "pool"), 20, 1, False, lambda p, n: TakeError("no"))
    assert taken == TakeError("accounting error, not enough CPUs allocated, remaining: 20")


@pytest.mark.parametrize("scope", ["container", "pod"])
def test_other_size_than_held(scope: str) -> None:
    """A container found with another number of CPUs than it asks for cannot be aligned."""
    twin = kubelet(A, config("R", "0,16", memory=False, scope=scope))
    twin.load({"p": {"c0": ContainerPlacement(cpus=frozenset({1, 17}))}})
    answer = twin.admit(pod("p", "4c"))
    assert isinstance(answer, Refused)
    assert answer.reason == "TopologyAffinityError"
    assert isinstance(twin.admit(pod("q", "4c")), Admitted)


@pytest.mark.parametrize("scope", ["container", "pod"])
def test_same_size_as_held(scope: str) -> None:
    """A container found with its CPUs keeps them, and its zones are those CPUs'."""
    twin = kubelet(A, config("R", "0,16", memory=False, scope=scope))
    twin.load({"p": {"c0": ContainerPlacement(cpus=frozenset({8, 24}))}})
    answer = twin.admit(pod("p", "2c"))
    assert answer.containers["c0"].cpus == {8, 24}
    assert answer.containers["c0"].hint == (1,)


def test_align_by_socket_ignores_the_zone() -> None:
    """Machine B, 4c twice: the second is hinted to zone 1 but gets CPUs of both zones of the socket."""
    twin = kubelet(B, config("R", "0,16", memory=False, cpu_options=["align-by-socket"]))
    first, second = twin.admit(pod("p1", "4c")), twin.admit(pod("p2", "4c"))
    assert isinstance(first, Admitted) and isinstance(second, Admitted)
    assert second.containers["c0"].hint == (1,)
    assert format_cpus(from_ids(second.containers["c0"].cpus)) == "3-4,19-20"


def test_policy_none_pins_nothing() -> None:
    """CPU Manager none: no hints, no exclusive CPUs, nothing reserved."""
    settings = config("R", "", memory=False) | {"cpuManagerPolicy": "none"}
    twin = kubelet(A, settings)
    answer = twin.admit(pod("p", "40c"))
    assert isinstance(answer, Admitted)
    assert answer.containers["c0"].cpus == frozenset()
    assert twin.counts().zones[0].cpu_free == 16


def strict(twin_options: list[str]) -> Kubelet:
    return kubelet(F, config("NO", "0", memory=False, cpu_options=twin_options))


def test_strict_reservation_changes_only_the_shared_pool() -> None:
    """With strict-cpu-reservation the reserved CPU is out of the shared pool; what is given out is the same."""
    plain, tight = strict([]), strict(["strict-cpu-reservation"])
    assert plain.state()["sharedPoolCPUs"] == "0-7"
    assert tight.state()["sharedPoolCPUs"] == "1-7"
    assert plain.admit(pod("p", "3c")) == tight.admit(pod("p", "3c"))
    tight.remove("p")
    tight.counts()
    assert tight.state()["sharedPoolCPUs"] == "1-7"


@pytest.mark.parametrize(("version", "admitted"), [("1.36", False), ("1.37", True)])
def test_smt_check_order(version: str, admitted: bool) -> None:
    """A restart that finds an odd container under full-pcpus-only: refused up to 1.36, kept from 1.37."""
    twin = kubelet(A, config("SN", "0,16", memory=False), version)
    placed = twin.admit(pod("p", "3c"))
    after = kubelet(A, config("SN", "0,16", memory=False, cpu_options=["full-pcpus-only"]), version)
    after.load({"p": placed.containers})
    assert isinstance(after.admit(pod("p", "3c")), Admitted) is admitted


@pytest.mark.parametrize(
    ("need", "version", "taken"),
    [(3, "1.33", "1-2,17"), (3, "1.34", "2-3,18"), (2, "1.33", "1,17"), (2, "1.34", "1,17")],
)
def test_odd_rests_of_a_cache_by_version(need: int, version: str, taken: str) -> None:
    """Before 1.34 whole cores are counted rounded down, so that an odd rest is never taken from one cache."""
    zones = [
        {**zone, "cores": [{**core, "l3": 10 * zone["id"] + at // 2} for at, core in enumerate(zone["cores"])]}
        for zone in A["numa"]
    ]
    options = ("prefer-align-cpus-by-uncorecache",)
    settings = config("NO", "0,16", memory=False, cpu_options=options)
    twin = kubelet({**A, "numa": zones}, settings, version)
    answer = twin.admit(pod("p", f"{need}c/1Gi"))
    assert format_cpus(from_ids(answer.containers["c0"].cpus)) == taken
