"""Facts of a node and their sources."""

import msgspec
import pytest

from _fastfit.codes import Code
from extender.api.objects import NodeResourceTopology
from extender.cache.nodes.facts import NodeFacts, facts_of, statement_of
from extender.cache.nodes.ledger import NodeLedger
from extender.cache.nodes.nrt import Nrt, read_nrt
from extender.cache.nodes.pools import Pool
from extender.kubelet.admission import Kubelet
from tests.kit.objects import GI, KUBELET_A, machine, node, nrt

EMPTY = [
    {"cpu": 14, "memory": 31 * GI, "hugepages-1Gi": 32 * GI},
    {"cpu": 16, "memory": 32 * GI, "hugepages-1Gi": 32 * GI},
]


def _source(facts: NodeFacts, name: str) -> str:
    return next(fact.source for fact in facts.facts if fact.name == name)


def test_annotations_win_and_are_named() -> None:
    """A node that states everything needs no report."""
    facts = facts_of(statement_of(node("n", KUBELET_A, machine())), None, Pool())
    assert facts.code is Code.Fits
    assert facts.stated
    assert _source(facts, "topologyManagerPolicy") == "annotation fastfit.dev/kubelet"
    assert facts.config.reserved_system_cpus == frozenset({0, 16})


def test_report_alone_gives_a_canonical_machine() -> None:
    """Zones, reserved counts, policy and managers come from the report."""
    facts = facts_of(statement_of(node("n")), read_nrt(nrt("n", EMPTY)), Pool())
    assert facts.code is Code.Fits
    assert not facts.stated
    assert facts.config.topology_manager_policy == "single-numa-node"
    assert facts.config.cpu_manager_policy == "static"
    assert facts.config.memory_manager_policy == "Static"
    assert facts.machine is not None
    assert [sum(len(core.threads) for core in zone.cores) for zone in facts.machine.zones] == [16, 16]
    assert len(facts.config.reserved_system_cpus) == 2


def test_no_memory_in_the_report_means_no_memory_manager() -> None:
    """Exporters publish memory only where Memory Manager is Static; pages per zone are then not known."""
    facts = facts_of(statement_of(node("n")), read_nrt(nrt("n", [{"cpu": 14}, {"cpu": 16}])), Pool())
    assert facts.config.memory_manager_policy == "None"
    assert not facts.pages_known


def test_pool_wins_over_report_and_label() -> None:
    """Configuration per pool is the second source."""
    pool = Pool(
        name="numa", kubelet={"cpuManagerPolicyOptions": {"full-pcpus-only": "true"}}, machine={"threadsPerCore": 1}
    )
    facts = facts_of(statement_of(node("n")), read_nrt(nrt("n", EMPTY)), pool)
    assert facts.config.cpu_manager_policy_options == {"full-pcpus-only": "true"}
    assert _source(facts, "cpuManagerPolicyOptions") == "pool numa"
    assert facts.machine is not None
    assert all(len(core.threads) == 1 for zone in facts.machine.zones for core in zone.cores)


def test_multithreading_label() -> None:
    """NFD's label tells threads per core where nothing else does."""
    statement = statement_of(node("n", **{"feature.node.kubernetes.io/cpu-hardware_multithreading": "false"}))
    facts = facts_of(statement, read_nrt(nrt("n", EMPTY)), Pool())
    assert _source(facts, "threadsPerCore").startswith("label feature.node")
    assert facts.machine is not None
    assert len(facts.machine.zones[0].cores) == 16


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"topologyManagerPolicy": "restricted"}, Code.FactsContradict),
        ({"topologyManagerScope": "pod"}, Code.FactsContradict),
        ({"topologyManagerPolicy": "sideways"}, Code.FactsContradict),
        ({"reservedSystemCPUs": "0-"}, Code.FactsUnreadable),
    ],
)
def test_contradicting_or_unreadable_statements_leave_the_node_undecided(change: dict[str, str], code: Code) -> None:
    """A statement that the report denies, or that nobody can read, is no ground for a verdict."""
    facts = facts_of(statement_of(node("n", {**KUBELET_A, **change}, machine())), read_nrt(nrt("n", EMPTY)), Pool())
    assert facts.code is code
    assert facts.detail


def test_other_zones_than_reported() -> None:
    """A machine statement with too few CPUs contradicts the report."""
    facts = facts_of(statement_of(node("n", KUBELET_A, machine(cores=4))), read_nrt(nrt("n", EMPTY)), Pool())
    assert facts.code is Code.FactsUnreadable or facts.code is Code.FactsContradict


def test_nothing_known() -> None:
    """No report and no statement."""
    assert facts_of(statement_of(node("n")), None, Pool()).code is Code.ZonesNotReported


def test_policy_not_known() -> None:
    """A report without attributes does not tell the policy."""
    found = read_nrt(nrt("n", EMPTY, policy="", scope=""))
    assert facts_of(statement_of(node("n")), found, Pool()).code is Code.PolicyNotKnown


def test_not_schedulable() -> None:
    """KubeVirt's own label refuses the node before anything else."""
    statement = statement_of(node("n", KUBELET_A, machine(), **{"kubevirt.io/schedulable": "false"}))
    assert facts_of(statement, None, Pool()).code is Code.NotSchedulable


def test_more_than_eight_zones() -> None:
    """Unknown unless the policy is none or the option allows them."""
    nine = machine(zones=9, cores=2)
    many = {**KUBELET_A, "reservedSystemCPUs": "0", "reservedMemory": []}
    assert facts_of(statement_of(node("n", many, nine)), None, Pool()).code is Code.TooManyZones
    allowed = {**many, "topologyManagerPolicyOptions": {"max-allowable-numa-nodes": "9"}}
    assert facts_of(statement_of(node("n", allowed, nine)), None, Pool()).code is Code.Fits
    none = {**many, "topologyManagerPolicy": "none"}
    assert facts_of(statement_of(node("n", none, nine)), None, Pool()).code is Code.Fits


def test_kubevirt_devices_have_no_zone() -> None:
    """devices.kubevirt.io/* never constrain a zone, whatever a report says."""
    zones = [{**EMPTY[0], "devices.kubevirt.io/kvm": 1000, "example.com/vf": 4}, EMPTY[1]]
    facts = facts_of(statement_of(node("n")), read_nrt(nrt("n", zones)), Pool())
    assert facts.devices == {"example.com/vf": {0: 4}}


def test_a_report_without_reserved_cpus() -> None:
    """Exporters that publish capacity equal to allocatable hide the reservation; the counts stay as reported."""
    found = read_nrt(nrt("n", [{"cpu": 16}, {"cpu": 16}], reserved=(0, 0)))
    facts = facts_of(statement_of(node("n")), found, Pool())
    assert [zone.cpu_free for zone in NodeLedger(facts).held_zones()] == [16, 16]


def _report(*zones: dict[str, tuple[str, str]]) -> Nrt:
    """(capacity, allocatable) by resource and zone."""
    return read_nrt(
        msgspec.convert(
            {
                "metadata": {"name": "n"},
                "attributes": [{"name": "topologyManagerPolicy", "value": "single-numa-node"}],
                "zones": [
                    {
                        "name": f"node-{place}",
                        "type": "Node",
                        "resources": [
                            {"name": name, "capacity": most, "allocatable": given, "available": given}
                            for name, (most, given) in amounts.items()
                        ],
                    }
                    for place, amounts in enumerate(zones)
                ],
            },
            NodeResourceTopology,
        )
    )


CPUS, MEMORY, PAGES = {"cpu": ("16", "14")}, {"memory": ("33Gi", "32Gi")}, {"hugepages-1Gi": ("8Gi", "8Gi")}


@pytest.mark.parametrize(
    ("named", "code", "memory_open", "left_out"),
    [
        ({**CPUS, **MEMORY, **PAGES}, Code.Fits, False, set()),
        ({**CPUS, **MEMORY}, Code.Fits, False, {"hugepages-1Gi"}),
        ({**CPUS, **PAGES}, Code.Fits, False, {"memory"}),
        (CPUS, Code.Fits, True, set()),
        ({**CPUS, "memory": ("32Gi", "32Gi"), **PAGES}, Code.Fits, True, set()),
        ({**MEMORY, **PAGES}, Code.CpusNotReported, False, set()),
        ({"example.com/nic": ("4", "4")}, Code.CpusNotReported, False, set()),
    ],
    ids=["all", "no pages", "no memory", "CPUs alone", "no reservation", "no CPUs", "a device alone"],
)
def test_what_a_report_leaves_out(
    named: dict[str, tuple[str, str]], code: Code, left_out: set[str], *, memory_open: bool
) -> None:
    """Nothing that is left out becomes zero."""
    static = node("n", **{"kubevirt.io/cpumanager": "true"})
    facts = facts_of(statement_of(static), _report(named, named), Pool())
    assert (facts.code, facts.memory_open, facts.left_out) == (code, memory_open, left_out)


def test_a_stated_memory_manager_is_not_open() -> None:
    """The annotation decides what the report does not prove."""
    facts = facts_of(statement_of(node("n", {"memoryManagerPolicy": "None"})), _report(CPUS, CPUS), Pool())
    assert not facts.memory_open
    assert facts.config.memory_manager_policy == "None"


@pytest.mark.parametrize("named", [{"cpu": ("16", "0"), **MEMORY}, MEMORY], ids=["zero CPUs", "no CPUs"])
def test_a_report_without_cpus_and_no_label_leave_the_policy_open(named: dict[str, tuple[str, str]]) -> None:
    """Pods without exclusive CPUs are judged there."""
    facts = facts_of(statement_of(node("n")), _report(named, named), Pool())
    assert not facts.cpu_policy_known
    assert facts.code is Code.Fits


def test_equal_capacity_and_allocatable_invent_no_reserved_cpu() -> None:
    """The machine is what is offered."""
    facts = facts_of(statement_of(node("n")), _report({"cpu": ("16", "16")}, {"cpu": ("16", "16")}), Pool())
    assert facts.machine is not None
    assert [sum(len(core.threads) for core in zone.cores) for zone in facts.machine.zones] == [16, 16]
    assert Kubelet(facts.machine, facts.config).counts().zones[0].cpu_free == 16


@pytest.mark.parametrize(
    "change",
    [
        {"cpuManagerPolicyOptions": {"prefer-quiet-cores": "true"}},
        {"topologyManagerPolicyOptions": {"numa-allocation-strategy": "most-allocated"}},
        {"memoryManagerPolicy": "BestEffort"},
        {"cpuManagerPolicy": "adaptive"},
    ],
)
def test_a_setting_that_is_not_known_is_named(change: dict[str, object]) -> None:
    """A kubelet that has it runs, so it is not said that it cannot."""
    facts = facts_of(statement_of(node("n", {**KUBELET_A, **change}, machine())), None, Pool())
    assert facts.code is Code.OptionNotKnown
    assert next(iter(change)) in facts.detail
