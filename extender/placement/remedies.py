"""What would help on one node: the advice of the code, or that of the particular cause where a code has several.

For people only. A remedy names nothing that the node already states, and no pods where there are none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from _fastfit.codes import Code
from _fastfit.model import MAX_SET_ZONES, MAX_ZONES, ZoneRow
from extender import names
from extender.cache.nodes.node import NodeState
from extender.kubelet.admission import Kubelet
from extender.kubelet.model import CannotStart
from extender.kubelet.pod import is_memory
from extender.kubelet.results import Admitted, Refused
from extender.kubelet.versions import version_of
from extender.placement.nearness import Nearness, advice_for
from extender.placement.page_words import loose_pages_words
from extender.placement.subject import Subject
from extender.placement.words import counted, shortage
from extender.reasons import REASONS

__all__ = ["cause_words", "remedy_for"]

#: Pods named in a text before it says how many more there are.
_SHOWN = 3
#: Codes whose own advice helps where the empty node refuses too.
_EVEN_WHEN_EMPTY = frozenset({Code.MemoryGroupConflict})
#: Policies under which devices come from the zones of the CPUs.
_ALIGNED = ("restricted", "single-numa-node")
#: Policies that refuse less, the one that refuses most of them first.
_POLICIES = ("restricted", "best-effort", "none")
_STATE_MACHINE = f"state the machine in annotation {names.MACHINE_ANNOTATION} or in `machine` of the node's pool"


@dataclass(frozen=True, slots=True)
class _At:
    """A node, and the pod that asks."""

    state: NodeState
    subject: Subject


def remedy_for(code: Code, state: NodeState, subject: Subject, near: Nearness | None) -> str:
    """The advice on this node. `near`: of a refusal, how near the node is."""
    general = REASONS[code].advice if near is None else advice_for(code, near)
    own = _OWN.get(code)
    found = own(_At(state, subject)) if own is not None else ""
    if code in _EVEN_WHEN_EMPTY or general == REASONS[code].advice:
        return found or general
    return general


def cause_words(code: Code, state: NodeState) -> str:
    """What is to be said of the cause beside the text of the code; empty: the text and the facts say it."""
    if code is Code.ReportContradictsPods:
        return _unplaced(state)
    if code is Code.CpuManagerNotStatic:
        return f"it is {state.facts.config.cpu_manager_policy} by {_source(state, 'cpuManagerPolicy')}"
    return ""


def _source(state: NodeState, fact: str) -> str:
    return next((known.source for known in state.facts.facts if known.name == fact), "")


def _pods(state: NodeState) -> bool:
    return any(True for _ in state.ledger.pods())


def _unplaced(state: NodeState) -> str:
    """The running pods that the kubelet twin refuses, and why the first one."""
    pods = state.ledger.unplaced()
    if not pods:
        return ""
    shown = ", ".join(f"{pod.namespace}/{pod.name}" for pod in pods[:_SHOWN])
    more = f" and {len(pods) - _SHOWN} more" if len(pods) > _SHOWN else ""
    answer = state.ledger.answer(pods[0].uid)
    why = f" ({answer.reason})" if isinstance(answer, Refused) else ""
    return f"{shown}{more} run there, and by these facts the kubelet would have refused them{why}"


# --- unknown ---------------------------------------------------------------------------------------------


def _zones_not_reported(at: _At) -> str:
    if at.state.nrt is None:
        return ""
    return f"The node's exporter writes a report without zones: see its log, or {_STATE_MACHINE}."


def _contradicts_pods(at: _At) -> str:
    if at.state.facts.stated:
        return ""
    return (
        "The report and the facts that were found or assumed cannot be all of it: compare them with the node's kubelet, and "
        f"state what differs in annotation {names.KUBELET_ANNOTATION} and {names.MACHINE_ANNOTATION}."
    )


def _too_many_zones(at: _At) -> str:
    machine, config = at.state.facts.machine, at.state.facts.config
    zones = len(machine.zones) if machine is not None else 0
    if zones > MAX_ZONES:
        return f"{zones} zones are more than fastfit judges ({MAX_ZONES}): kube-scheduler's own scores decide there."
    if zones > MAX_SET_ZONES:
        return f"More than {MAX_SET_ZONES} zones are judged with Topology Manager none and Memory Manager None alone."
    option = "max-allowable-numa-nodes"
    if option in config.topology_manager_policy_options:
        return f"Raise the kubelet's option {option}, as it is stated here, to {zones} at least."
    return f"Set the kubelet's option {option} to {zones} at least, or state it here where the kubelet has it."


def _pages_not_reported(at: _At) -> str:
    if loose_pages_words(at.state, at.subject.question.ask):
        return (
            "Pods hold so many pages of zones that are not known, because they are not Guaranteed or lie over several "
            "zones, that too few are free for certain: move such pods off the node."
        )
    hidden = sorted(name for name in at.state.facts.left_out if name != "memory")
    if hidden:
        return f"The report leaves out {', '.join(hidden)}: take it out of the exporter's exclude list, or {_STATE_MACHINE}."
    if not at.state.facts.pages_known:
        return f"With Memory Manager None a report names no pages per zone: {_STATE_MACHINE}."
    return ""


def _device_zone_undecided(at: _At) -> str:
    cells = at.subject.question.ask.cells
    hidden = sorted(set(cells.strict if cells is not None else ()) - set(at.state.facts.devices))
    if not hidden and at.state.facts.config.topology_manager_policy in _ALIGNED:
        return (
            "The guest lies in several zones, and the kubelet may take a device of one without a vCPU: free CPUs in one "
            "zone that has the device, or lower the VM's size."
        )
    if not hidden:
        return ""
    return f"The report names no zone for {', '.join(hidden)}: its device plugin has to tell the kubelet."


def _cpus_not_reported(at: _At) -> str:
    if at.state.facts.machine is None:
        return ""
    return (
        "The report says what the zones have, not what is free, and without pods nothing else tells: let the extender read "
        "pods, or use an exporter that publishes `available`."
    )


def _cpu_manager_not_static(at: _At) -> str:
    source = _source(at.state, "cpuManagerPolicy")
    if not source.startswith(("annotation", "pool")):
        return ""
    return f"{REASONS[Code.CpuManagerNotStatic].advice} Where the kubelet is static already, correct {source}."


# --- refused ---------------------------------------------------------------------------------------------


def _never_fits_zone(at: _At) -> str:
    zones = at.state.row.zones if at.state.row is not None else ()
    asked: dict[str, int] = {}
    for container in at.subject.question.demand.containers:
        asked["cpu"] = max(asked.get("cpu", 0), container.exclusive_cpus)
        for name, amount in (*container.memory, *container.devices):
            asked[name] = asked.get(name, 0) + amount
    wide = []
    for name, amount in asked.items():
        has = [found for zone in zones if (found := _empty_zone(zone, name)) is not None]
        if has and amount > max(has):
            wide.append(shortage(name, max(has)))
    why = f"one zone gives at most {', '.join(wide)}" if wide else "its rule names what each resource needs"
    size = "a size within that" if wide else "another size"
    policy = next((name for name in _POLICIES if _takes(at.state, at.subject, topology_manager_policy=name)), "")
    other = f", or Topology Manager {policy}, which takes it" if policy else ""
    return (
        "Under its Topology Manager policy the node can never hold the VM, not even when empty: "
        f"{why}. Choose {size}{other}."
    )


def _takes(state: NodeState, subject: Subject, **changes: str) -> bool:
    """Whether the kubelet of the empty node would take the pod if it were configured so, and is not."""
    facts = state.facts
    config = replace(facts.config, **changes)  # type: ignore[arg-type]
    if facts.machine is None or config == facts.config:
        return False
    try:
        kubelet = Kubelet(facts.machine, config, version_of(facts.version), facts.devices)
    except CannotStart:
        return False
    return isinstance(kubelet.admit(subject.question.demand), Admitted)


def _empty_zone(zone: ZoneRow, name: str) -> int | None:
    """What the zone gives of a resource when it is empty; None: not counted there."""
    if name == "cpu":
        return zone.cpu_total - zone.cpu_reserved
    return (zone.memory_allocatable if is_memory(name) else zone.device_total).get(name)


def _memory_short(at: _At) -> str:
    if _pods(at.state):
        return ""
    return "No pod that is known holds memory there, and the node's report shows less free than the zones have: look at both."


def _group_conflict(at: _At) -> str:
    kubelet = at.state.ledger.kubelet
    alone = kubelet is None or isinstance(kubelet.empty().admit(at.subject.question.demand), Refused)
    scope = "set topologyManagerScope: pod, which keeps a VM's containers together"
    by_pod = _takes(at.state, at.subject, topology_manager_scope="pod")
    if alone:
        own = "The pod's own containers are in each other's way"
        return f"{own}: {scope}." if by_pod else f"{own}: choose a size of one zone, or another policy."
    move = "move away the pods whose memory lies in one of these zones alone, or in other sets of zones"
    return f"Memory Manager does not let a zone serve single-zone and multi-zone pods at once: {move}."


def _smt(at: _At) -> str:
    threads, kubelet = at.state.threads_per_core, at.state.ledger.kubelet
    demand = at.subject.question.demand
    odd = [part for part in demand.containers if part.exclusive_cpus % threads]
    if odd:
        cpus, name = odd[0].exclusive_cpus, odd[0].name
        parity = names.EVEN_PARITY_ANNOTATION
        has = parity in (at.subject.pod.metadata.annotations or {})
        by_kubevirt = "" if has else f" (KubeVirt's annotation {parity} adds the CPU that an emulator thread makes odd)"
        return (
            f"{name} asks for {counted(cpus, 'CPU')}, and cores have {threads} threads: choose a multiple of {threads}"
            f"{by_kubevirt}."
        )
    if kubelet is None or isinstance(kubelet.empty().admit(demand), Refused):
        return "The CPU count is whole cores, but reserved CPUs cut cores or leave too few: reserve whole cores."
    return "The CPU count is whole cores, but too few whole cores are free: free CPUs on the node."


def _device_outside(at: _At) -> str:
    if at.state.facts.config.topology_manager_policy not in _ALIGNED:
        return ""
    return "The device's zone has no CPUs for the guest: free CPUs there, or a device in another zone."


def _refused_before(at: _At) -> str:
    sources = {known.name: known.source for known in at.state.facts.facts}
    if not at.state.facts.stated or not sources["cpuManagerPolicy"].startswith(("annotation", "pool")):
        return ""
    general = REASONS[Code.RefusedBefore].advice
    _, _, again = general.partition("state its facts. ")
    return f"By what is stated of the node its kubelet would take the pod: compare the statement with the node. {again}"


_OWN: Mapping[Code, Callable[[_At], str]] = {
    Code.ZonesNotReported: _zones_not_reported,
    Code.ReportContradictsPods: _contradicts_pods,
    Code.TooManyZones: _too_many_zones,
    Code.PagesNotReported: _pages_not_reported,
    Code.DeviceZoneOpen: _device_zone_undecided,
    Code.CpusNotReported: _cpus_not_reported,
    Code.CpuManagerNotStatic: _cpu_manager_not_static,
    Code.NeverFitsZone: _never_fits_zone,
    Code.ZoneMemoryShort: _memory_short,
    Code.MemoryGroupConflict: _group_conflict,
    Code.SmtAlignment: _smt,
    Code.DeviceOutsideCells: _device_outside,
    Code.RefusedBefore: _refused_before,
}
