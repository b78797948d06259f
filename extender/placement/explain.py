"""Why a pod fits each node or not, for people: the kernel's verdict, the kubelet twin's rule, and the numbers.

The same code decides here as in a call of kube-scheduler; only the words are more.
"""

from dataclasses import replace

import orjson
from msgspec import structs

from _fastfit import Cell, Entry, Fit
from _fastfit.codes import Code
from _fastfit.counting import zone_code
from extender.api.objects import Pod, PodStatus
from extender.cache.cluster import Cluster
from extender.cache.nodes.node import NodeState
from extender.cache.nodes.synthetic_machine import page_bytes
from extender.cache.pods.pod import is_over, is_refusal
from extender.kubelet.cpuset import format_cpus, from_ids
from extender.kubelet.pod import PodDemand
from extender.kubelet.results import Admitted, Refused
from extender.kubevirt.devices import immovable
from extender.kubevirt.guest.cpu_request import pinned_cpus
from extender.kubevirt.hotplug import hotplug_words
from extender.kubevirt.installation import Installation
from extender.kubevirt.launcher_pod import COMPUTE, Guest, PodRole
from extender.kubevirt.migration.policy import MigrationPolicy, Move
from extender.placement.answers import Fact, NodeAnswer, PodAnswer, ZoneAnswer
from extender.placement.decide import fit_of
from extender.placement.outcomes import Mover, mover_of
from extender.placement.subject import Subject, subject_of
from extender.reasons import REASONS, verdict_of

__all__ = ["amount_words", "explain", "explain_subject", "failure_words"]

#: Verdicts on the whole node that leave nothing for the kubelet to decide.
_BEFORE_THE_KUBELET = frozenset(
    {Code.NotSchedulable, Code.CpuManagerNotStatic, Code.NoPagesOfSize, Code.KubeletCannotStart}
)
_UNITS = ((2**40, "Ti"), (2**30, "Gi"), (2**20, "Mi"), (2**10, "Ki"))


def explain(cluster: Cluster, pod: Pod) -> PodAnswer:
    """The answer for one pod over every node of the cache, which is to be up to date. Changes nothing."""
    if not is_over(pod):
        return explain_subject(cluster, subject_of(cluster, pod))
    status = PodStatus(phase="Pending", qos_class=pod.status.qos_class)
    subject = subject_of(cluster, structs.replace(pod, spec=structs.replace(pod.spec, node_name=""), status=status))
    refused = pod.spec.node_name if pod.status.phase == "Failed" and is_refusal(pod.status.reason or "") else ""
    answer = explain_subject(cluster, subject, refused_on=refused)
    kind = "ended" if subject.role is PodRole.OTHER else f"ended, judged as its VM's next pod: {answer.kind}"
    return replace(answer, kind=kind, notes=(f"it has ended: {failure_words(pod)}", *answer.notes))


def failure_words(pod: Pod) -> str:
    """How an ended pod ended, in its kubelet's words."""
    status, where = pod.status, f" on {pod.spec.node_name}" if pod.spec.node_name else ""
    if status.phase != "Failed":
        return f"{pod.metadata.name} is {status.phase}{where}"
    since = f" (started {status.start_time})" if status.start_time else ""
    words = ": ".join(filter(None, (status.reason, status.message))) or "its status gives no reason"
    return f"{pod.metadata.name} failed{where}{since}: {words}"


def explain_subject(cluster: Cluster, subject: Subject, limit: int = 0, refused_on: str = "") -> PodAnswer:
    """The same for a pod that was read already; `limit`: only so many nodes, the best first (0: all).

    `refused_on`: the node whose kubelet refused the pod before this one, where counts do not say why.
    """
    meta = subject.pod.metadata
    if subject.passes:
        installation = cluster.vms.kubevirt
        notes = (_passes(subject), *_hotplug(subject, installation), *_fixed(subject, installation))
        nodes = tuple(_passed(cluster, name) for name in cluster.table.names()[: limit or None])
        return PodAnswer(meta.namespace, meta.name, subject.role.value, (), notes, nodes, cluster.generation)
    mover = mover_of(cluster, subject) if subject.move is not None else None
    source = mover.source if mover is not None else ""
    fit = fit_of(cluster, subject, orjson.dumps([name for name in cluster.table.names() if name != source]))
    if any(entry.name == refused_on and verdict_of(entry.code) != "refused" for entry in fit.entries()):
        fit.exclude(refused_on, Code.RefusedBefore)
    judged = [_node(cluster, subject, fit, entry, mover) for entry in fit.entries(limit)]
    if source in cluster.table:
        # kube-scheduler never asks about it (anti-affinity): it takes no part in the ranking.
        alone = fit_of(cluster, subject, orjson.dumps([source]))
        judged += [replace(_node(cluster, subject, alone, entry, mover), score=0) for entry in alone.entries()]
    return PodAnswer(
        namespace=meta.namespace,
        name=meta.name,
        kind=subject.role.value,
        demand=_demand(subject.question.demand),
        notes=(*_notes(subject, cluster.vms.kubevirt), *_left_out(fit, limit)),
        nodes=tuple(judged),
        generation=cluster.generation,
    )


def _left_out(fit: Fit, limit: int) -> tuple[str, ...]:
    return (f"{limit} of {fit.total} nodes are shown, the best first",) if 0 < limit < fit.total else ()


def amount_words(name: str, amount: int) -> str:
    """`16Gi`, `444Mi`, `9`: an amount of a resource in the API's own form."""
    if name != "memory" and not name.startswith("hugepages-"):
        return str(amount)
    for size, unit in _UNITS:
        if amount and amount % size == 0:
            return f"{amount // size}{unit}"
    for size, unit in _UNITS:
        if amount >= size:
            return f"{amount / size:.1f}{unit}"
    return str(amount)


def _passes(subject: Subject) -> str:
    if subject.role is PodRole.OTHER:
        return "not a virtual machine: every node passes, no score, no charge"
    return "an ordinary VM (no exclusive CPUs, no huge pages, no device with a zone): fits wherever kube-scheduler says"


def _passed(cluster: Cluster, name: str) -> NodeAnswer:
    state = cluster.node(name)
    pool = state.facts.pool if state is not None else cluster.pools.rest
    return NodeAnswer(name, "fits", Code.Fits.name, "no zone rule applies", 0, pool.mode.name.lower(), pool.name)


def _demand(demand: PodDemand) -> tuple[str, ...]:
    lines = []
    for container in demand.containers:
        parts = [f"{container.exclusive_cpus} exclusive CPUs"] if container.exclusive_cpus else []
        parts += [f"{amount_words(name, amount)} {name}" for name, amount in container.memory if amount]
        parts += [f"{count} {name}" for name, count in container.devices if not name.startswith("devices.kubevirt.io/")]
        lines.append(f"{container.name} ({container.kind.value}): {', '.join(parts) or 'nothing that has a zone'}")
    return tuple(lines)


def _hotplug(subject: Subject, installation: Installation) -> list[str]:
    if subject.guest is None:
        return []
    sockets = subject.move.sockets if subject.move is not None else 0
    return [hotplug_words(subject.guest.size, sockets, subject.pod.metadata.annotations, installation)]


def _fixed(subject: Subject, installation: Installation) -> list[str]:
    why = immovable(subject.guest, installation) if subject.guest is not None else ""
    return [f"it cannot migrate live at all, which is not NUMA's business: {why}"] if why else []


def _strict(subject: Subject) -> list[str]:
    cells = subject.question.ask.cells
    if cells is None or not cells.strict:
        return []
    return [f"KubeVirt's gate PCINUMAAwareTopology: it boots only with {', '.join(cells.strict)} in zones with a vCPU"]


def _notes(subject: Subject, installation: Installation) -> tuple[str, ...]:
    notes = []
    if subject.guest is None:
        kubelet_alone = subject.move is None or subject.move.policy is MigrationPolicy.OFF
        how = (
            "judged by the kubelet's rules alone" if kubelet_alone else "what moves is not known, nor where it survives"
        )
        notes.append(f"its VirtualMachineInstance is not known (yet): {how}")
    elif subject.move is not None:
        notes += _move_notes(subject.guest, subject.move)
    notes += [*_hotplug(subject, installation), *_fixed(subject, installation), *_strict(subject)]
    if subject.move is not None and subject.move.problem:
        notes.append(subject.move.problem)
    if subject.question.problem:
        notes.append(subject.question.problem)
    if subject.guest is not None and subject.question.ask.ask_code is Code.LauncherCpusShort:
        pinned = pinned_cpus(subject.guest.size)
        notes.append(f"virt-launcher pins {pinned} CPUs, and `{COMPUTE}` asks for fewer: the VM never starts")
    return tuple(notes)


def _move_notes(guest: Guest, move: Move) -> list[str]:
    """What is known of the VM that moves."""
    if not guest.size.passthrough:
        return ["the guest does not see the host's NUMA: a migration has no cells to keep"]
    if move.boot:
        cells = ", ".join(f"{vcpus} vCPUs with {amount_words('memory', amount)}" for vcpus, amount in move.boot)
        known = f"guest cells since its boot: {cells} ({move.origin})"
    else:
        known = (
            "the guest's cells are not known (its boot was not seen, or a later move disproves it): "
            "fewer zones rank first, none is refused for them"
        )
    return [known, f"migration policy: {move.policy.value}"]


def _node(cluster: Cluster, subject: Subject, fit: Fit, entry: Entry, mover: Mover | None) -> NodeAnswer:
    code = Code(entry.code)
    state = cluster.node(entry.name)
    if state is None:
        return NodeAnswer(entry.name, verdict_of(code), code.name, REASONS[code].text, entry.score, "enforce", "")
    placement = fit.placement(entry.name)
    steps, played = _play(state, subject, code)
    given = placement.cpus if placement is not None else ()
    cells = placement.cells if placement is not None else ()
    positions = [zone.id for zone in state.row.zones] if state.row is not None else []
    return NodeAnswer(
        node=entry.name,
        verdict=verdict_of(code),
        code=code.name,
        text=_text(code, state),
        score=entry.score,
        mode=state.facts.pool.mode.name.lower(),
        pool=state.facts.pool.name,
        zones=tuple(positions[i] for i, count in enumerate(given) if count)
        or tuple(positions[i] for i in range(len(positions)) if code is Code.Fits and entry.mask >> i & 1),
        cells=len(cells) or entry.cells,
        per_zone=_zones(state, subject, given, cells, played),
        facts=tuple(Fact(fact.name, fact.value, fact.source) for fact in state.facts.facts),
        steps=(*_counting_rule(state, subject, code), *_layout(subject, entry, cells), *steps),
        migration=mover.outcome(state, code, played) if mover is not None else None,
    )


def _counting_rule(state: NodeState, subject: Subject, code: Code) -> tuple[str, ...]:
    """The rule on counts behind a refusal or doubt; empty where something else decided."""
    if state.row is None or code is Code.Fits or zone_code(state.row, subject.question.ask) is not code:
        return ()
    return (f"counts: {REASONS[code].rule}",)


def _layout(subject: Subject, entry: Entry, cells: tuple[Cell, ...]) -> tuple[str, ...]:
    """How many other nodes a VM that boots here could move to and keep every cell's vCPUs, as things are now."""
    if not cells or subject.move is not None:
        return ()
    vcpus = "+".join(str(cell.vcpus) for cell in cells)
    layout = f"{_counted(len(cells), 'cell')} of {vcpus} vCPUs"
    if entry.alike:
        return (f"layout: {layout}, as on {_counted(entry.alike, 'other node')} that would do now",)
    uneven = len({cell.vcpus for cell in cells}) > 1
    behind = ": ranks behind uneven layouts that others give" if uneven else ""
    return (f"layout: {layout}, as on no other node that would do now{behind}",)


def _text(code: Code, state: NodeState) -> str:
    reason = REASONS[code]
    if code is Code.Fits:
        return reason.text
    detail = state.ledger.problem or (state.facts.detail if state.facts.code is code else "")
    return f"{reason.text}: {detail}" if detail else reason.text


def _play(state: NodeState, subject: Subject, code: Code) -> tuple[tuple[str, ...], Admitted | None]:
    """What the kubelet twin says, step by step; it decides on CPU ids and memory blocks."""
    kubelet = state.ledger.kubelet
    if kubelet is None or code in _BEFORE_THE_KUBELET:
        return (), None
    answer = kubelet.clone().admit(subject.question.demand)
    if isinstance(answer, Refused):
        outlook = kubelet.outlook(subject.question.demand, answer)
        return (f"kubelet: {answer.reason}", f"rule: {answer.rule}", f"outlook: {outlook}"), None
    lines = []
    for container in subject.question.demand.containers:
        place = answer.containers[container.name]
        parts = [f"zones {','.join(map(str, place.hint))}"] if place.hint is not None else ["no zone preference"]
        if place.cpus:
            parts.append(f"CPUs {format_cpus(from_ids(place.cpus))}")
        parts += [
            f"{amount_words(b.resource, b.bytes)} {b.resource} on {','.join(map(str, b.zones))}" for b in place.memory
        ]
        lines.append(f"{container.name}: {'; '.join(parts)}")
    if verdict_of(code) == "refused":
        return (f"its kubelet alone would admit the pod ({', '.join(lines)})",), answer
    return tuple(lines), answer


def _zones(
    state: NodeState, subject: Subject, given: tuple[int, ...], cells: tuple[Cell, ...], played: Admitted | None
) -> tuple[ZoneAnswer, ...]:
    if state.row is None:
        return ()
    cpus = max((container.exclusive_cpus for container in subject.question.demand.containers), default=0)
    memory: dict[str, int] = {}
    devices: dict[str, int] = {}
    for container in subject.question.demand.containers:
        for name, amount in container.memory:
            memory[name] = memory.get(name, 0) + amount
        for name, count in container.devices:
            devices[name] = devices.get(name, 0) + count
    taken = _memory_taken(played) if played is not None else {}
    if cells and subject.guest is not None:
        for amounts in taken.values():
            amounts.pop(subject.guest.pages, None)
        for cell in cells:
            taken.setdefault(state.row.zones[cell.zone].id, {})[subject.guest.pages] = cell.bytes
    answers = []
    for position, zone in enumerate(state.row.zones):
        free = {**(zone.pages_free or {}), **zone.memory_free}
        missing = [_counted(cpus - zone.cpu_free, "CPU")] if cpus > zone.cpu_free else []
        known = zone.pages_free is not None or bool(zone.memory_free)
        missing += [
            _shortage(name, amount - free.get(name, 0))
            for name, amount in memory.items()
            if (name in free or (known and name != "memory")) and amount > free.get(name, 0)
        ]
        missing += [
            f"{count - zone.device_free.get(name, 0)} {name}"
            for name, count in devices.items()
            if name in state.facts.devices and count > zone.device_free.get(name, 0)
        ]
        answers.append(
            ZoneAnswer(
                id=zone.id,
                cpus_total=zone.cpu_total,
                cpus_free=zone.cpu_free,
                cpus_given=given[position] if position < len(given) else 0,
                memory_free=dict(free),
                memory_given=taken.get(zone.id, {}),
                devices_free=dict(zone.device_free),
                missing=", ".join(missing),
            )
        )
    return tuple(answers)


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _shortage(name: str, amount: int) -> str:
    """`4 x 1Gi pages`, `1Gi memory`."""
    if name == "memory":
        return f"{amount_words(name, amount)} memory"
    size = name.removeprefix("hugepages-")
    return f"{-(-amount // page_bytes(size))} x {size} pages"


def _memory_taken(played: Admitted) -> dict[int, dict[str, int]]:
    """Bytes per zone that the blocks take; a block over several zones counts on its first ones, as the kubelet accounts for it
    there only in sum.
    """
    taken: dict[int, dict[str, int]] = {}
    for place in played.containers.values():
        for block in place.memory:
            share, rest = divmod(block.bytes, len(block.zones))
            for position, zone in enumerate(block.zones):
                amounts = taken.setdefault(zone, {})
                amounts[block.resource] = amounts.get(block.resource, 0) + share + (rest if position == 0 else 0)
    return taken
