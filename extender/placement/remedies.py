"""What would help on one node: the advice of the code, or that of the particular cause where a code has several.

For people only. A remedy names nothing that the node already states, and no pods where there are none.
"""

from collections.abc import Callable, Mapping

from _fastfit.codes import Code
from _fastfit.model import MAX_SET_ZONES, MAX_ZONES, ZoneRow
from extender import names
from extender.cache.nodes.node import NodeState
from extender.kubelet.pod import is_memory
from extender.kubelet.results import Refused
from extender.placement.nearness import Nearness, advice_for
from extender.placement.page_words import loose_pages_words
from extender.placement.subject import Subject
from extender.placement.words import counted, shortage
from extender.reasons import REASONS

__all__ = ["cause_words", "remedy_for"]

#: Pods named in a text before it says how many more there are.
_SHOWN = 3
_STATE_MACHINE = f"state the machine in annotation {names.MACHINE_ANNOTATION} or in `machine` of the node's pool"


def remedy_for(code: Code, state: NodeState, subject: Subject, near: Nearness | None) -> str:
    """The advice on this node. `near`: of a refusal, how near the node is."""
    if near is not None:
        general = advice_for(code, near)
        if general != REASONS[code].advice:
            return general
    own = _OWN.get(code)
    return (own(state, subject) if own is not None else "") or REASONS[code].advice


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


def _zones_not_reported(state: NodeState, subject: Subject) -> str:
    if state.nrt is None:
        return ""
    return f"The node's exporter writes a report without zones: see its log, or {_STATE_MACHINE}."


def _contradicts_pods(state: NodeState, subject: Subject) -> str:
    if state.facts.stated:
        return ""
    return (
        "The report and the facts that were found or assumed cannot be all of it: compare them with the node's kubelet, and "
        f"state what differs in annotation {names.KUBELET_ANNOTATION} and {names.MACHINE_ANNOTATION}."
    )


def _too_many_zones(state: NodeState, subject: Subject) -> str:
    machine, config = state.facts.machine, state.facts.config
    zones = len(machine.zones) if machine is not None else 0
    if zones > MAX_ZONES:
        return f"{zones} zones are more than fastfit judges ({MAX_ZONES}): kube-scheduler's own scores decide there."
    if zones > MAX_SET_ZONES:
        return f"More than {MAX_SET_ZONES} zones are judged with Topology Manager none and Memory Manager None alone."
    option = "max-allowable-numa-nodes"
    if option in config.topology_manager_policy_options:
        return f"Raise the kubelet's option {option}, as it is stated here, to {zones} at least."
    return f"Set the kubelet's option {option} to {zones} at least, or state it here where the kubelet has it."


def _pages_not_reported(state: NodeState, subject: Subject) -> str:
    if loose_pages_words(state, subject.question.ask):
        return (
            "Pods hold so many pages of zones that are not known, because they are not Guaranteed or lie over several "
            "zones, that too few are free for certain: move such pods off the node."
        )
    hidden = sorted(name for name in state.facts.left_out if name != "memory")
    if hidden:
        return f"The report leaves out {', '.join(hidden)}: take it out of the exporter's exclude list, or {_STATE_MACHINE}."
    if not state.facts.pages_known:
        return f"With Memory Manager None a report names no pages per zone: {_STATE_MACHINE}."
    return ""


def _device_zone_open(state: NodeState, subject: Subject) -> str:
    cells = subject.question.ask.cells
    hidden = sorted(set(cells.strict if cells is not None else ()) - set(state.facts.devices))
    if not hidden:
        return ""
    return f"The report names no zone for {', '.join(hidden)}: its device plugin has to tell the kubelet."


def _cpus_not_reported(state: NodeState, subject: Subject) -> str:
    if state.facts.machine is None:
        return ""
    return (
        "The report says what the zones have, not what is free, and without pods nothing else tells: let the extender read "
        "pods, or use an exporter that publishes `available`."
    )


def _cpu_manager_not_static(state: NodeState, subject: Subject) -> str:
    source = _source(state, "cpuManagerPolicy")
    if not source.startswith(("annotation", "pool")):
        return ""
    return f"{REASONS[Code.CpuManagerNotStatic].advice} Where the kubelet is static already, correct {source}."


# --- refused ---------------------------------------------------------------------------------------------


def _never_fits_zone(state: NodeState, subject: Subject) -> str:
    zones = state.row.zones if state.row is not None else ()
    asked: dict[str, int] = {}
    for container in subject.question.demand.containers:
        asked["cpu"] = max(asked.get("cpu", 0), container.exclusive_cpus)
        for name, amount in (*container.memory, *container.devices):
            asked[name] = asked.get(name, 0) + amount
    most = {name: max((found for zone in zones if (found := _empty_zone(zone, name)) is not None), default=None) for name in asked}
    wide = [(name, has) for name, has in most.items() if has is not None and asked[name] > has]
    if not wide:
        return (
            "Under its Topology Manager policy the node can never hold the VM, not even when empty: its rule below names "
            "what each resource needs. Choose another size or policy."
        )
    limits = ", ".join(shortage(name, has) for name, has in wide)
    return (
        "Under its Topology Manager policy the node can never hold the VM, not even when empty: one zone gives at most "
        f"{limits}. Choose a size within that, or another policy."
    )


def _empty_zone(zone: ZoneRow, name: str) -> int | None:
    """What the zone gives of a resource when it is empty; None: not counted there."""
    if name == "cpu":
        return zone.cpu_total - zone.cpu_reserved
    return (zone.memory_allocatable if is_memory(name) else zone.device_total).get(name)


def _memory_short(state: NodeState, subject: Subject) -> str:
    if _pods(state):
        return ""
    return "No pod that is known holds memory there, and the node's report shows less free than the zones have: look at both."


def _group_conflict(state: NodeState, subject: Subject) -> str:
    pod_scope = state.facts.config.topology_manager_scope == "pod"
    scope = "" if pod_scope else "set topologyManagerScope: pod, which keeps a VM's containers together"
    if not _pods(state):
        own = "The pod's own containers are in each other's way"
        return f"{own}: {scope}." if scope else f"{own}: give its helpers no memory limits, or choose a size of one zone."
    move = "move away the pods whose memory lies in one of these zones alone, or in other sets of zones"
    rule = "Memory Manager does not let a zone serve single-zone and multi-zone pods at once"
    return f"{rule}: {move}{'; ' + scope if scope else ''}."


def _smt(state: NodeState, subject: Subject) -> str:
    threads = state.threads_per_core
    odd = [part for part in subject.question.demand.containers if part.exclusive_cpus % threads]
    if not odd:
        return "The CPU count is whole cores, but too few whole cores are free: free CPUs on the node."
    cpus, name = odd[0].exclusive_cpus, odd[0].name
    parity = names.EVEN_PARITY_ANNOTATION
    has = parity in (subject.pod.metadata.annotations or {})
    by_kubevirt = "" if has else f", for a single CPU of the emulator thread by KubeVirt's annotation {parity}"
    return (
        f"{name} asks for {counted(cpus, 'CPU')}, and cores have {threads} threads: choose a multiple of {threads}{by_kubevirt}."
    )


_OWN: Mapping[Code, Callable[[NodeState, Subject], str]] = {
    Code.ZonesNotReported: _zones_not_reported,
    Code.ReportContradictsPods: _contradicts_pods,
    Code.TooManyZones: _too_many_zones,
    Code.PagesNotReported: _pages_not_reported,
    Code.DeviceZoneOpen: _device_zone_open,
    Code.CpusNotReported: _cpus_not_reported,
    Code.CpuManagerNotStatic: _cpu_manager_not_static,
    Code.NeverFitsZone: _never_fits_zone,
    Code.ZoneMemoryShort: _memory_short,
    Code.MemoryGroupConflict: _group_conflict,
    Code.SmtAlignment: _smt,
}
