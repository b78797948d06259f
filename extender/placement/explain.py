"""Why a pod fits each node or not, for people: the kernel's verdict, the kubelet twin's rule, and the numbers.

The same code decides here as in a call of kube-scheduler; only the words are more.
"""

from dataclasses import replace

import orjson
from msgspec import structs

from _fastfit import Cell, Entry, Fit, Placement
from _fastfit.codes import Code
from _fastfit.counting import zone_code
from extender.api.objects import Pod, PodStatus
from extender.cache.cluster import Cluster
from extender.cache.nodes.node import NodeState
from extender.cache.pods.pod import is_over
from extender.cache.pods.refusal import is_refusal
from extender.kubelet.cpuset import format_cpus, from_ids
from extender.kubelet.pod import PodDemand
from extender.kubelet.results import Admitted, Refused
from extender.kubevirt.devices import immovable
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.cpu_request import pinned_cpus
from extender.kubevirt.guest.domain import GuestError
from extender.kubevirt.hotplug import hotplug_words, largest_words
from extender.kubevirt.installation import Installation
from extender.kubevirt.launcher_pod import COMPUTE, Guest, PodRole
from extender.kubevirt.migration.policy import MigrationPolicy, Move
from extender.kubevirt.migration.target_pod import largest_demand
from extender.placement.answers import Fact, NodeAnswer, PodAnswer, ZoneAnswer
from extender.placement.decide import fit_of
from extender.placement.nearness import Nearness, advice_for, nearness_of, words_for
from extender.placement.outcomes import Mover, mover_of
from extender.placement.page_words import loose_pages_words, pages_now
from extender.placement.subject import Subject, subject_of
from extender.placement.ties import settle_by_ids, tie_words
from extender.placement.winner import BY_IDS, guest_code, refusal_code
from extender.placement.words import amount_words, counted, shortage
from extender.reasons import REASONS, verdict_of

__all__ = ["explain", "explain_subject", "failure_words"]

#: Verdicts on the whole node that leave nothing for the kubelet to decide.
_BEFORE_THE_KUBELET = frozenset(
    {Code.NotSchedulable, Code.CpuManagerNotStatic, Code.NoPagesOfSize, Code.KubeletCannotStart}
)
_BY_IDS_WORDS = (
    "decided by the CPU ids of the stated machine, as for the winner of a call; filter counts, and says unknown"
)


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
    if subject.role is PodRole.OTHER or subject.question.ordinary:
        installation = cluster.vms.kubevirt
        notes = (_passes(subject), *_hotplug(subject, installation), *_fixed(subject, installation))
        nodes = tuple(_passed(cluster, name) for name in cluster.table.names()[: limit or None])
        return PodAnswer(meta.namespace, meta.name, subject.role.value, (), notes, nodes, cluster.generation)
    mover = mover_of(cluster, subject) if subject.move is not None else None
    source = mover.source if mover is not None else ""
    fit = fit_of(cluster, subject, orjson.dumps([name for name in cluster.table.names() if name != source]))
    if any(entry.name == refused_on and verdict_of(entry.code) != "refused" for entry in fit.entries()):
        fit.exclude(refused_on, Code.RefusedBefore)
    settle_by_ids(cluster, fit)
    judged = _nearest_first([_node(cluster, subject, fit, entry, mover) for entry in fit.entries(limit)])
    if source in cluster.table:
        # kube-scheduler never asks about it (anti-affinity): it takes no part in the ranking.
        alone = fit_of(cluster, subject, orjson.dumps([source]))
        judged += [replace(_node(cluster, subject, alone, entry, mover)[0], score=0) for entry in alone.entries()]
    if subject.passes:
        judged = [replace(node, score=0) for node in judged]
    return PodAnswer(
        namespace=meta.namespace,
        name=meta.name,
        kind=subject.role.value,
        demand=_demand(subject.question.demand),
        notes=(
            *_notes(subject, cluster.vms.kubevirt),
            *(() if subject.passes else tie_words(fit)),
            *_left_out(fit, limit),
        ),
        nodes=tuple(judged),
        generation=cluster.generation,
    )


def _nearest_first(judged: list[tuple[NodeAnswer, Nearness | None]]) -> list[NodeAnswer]:
    """Fitting nodes, then unknown ones, each as the kernel ranks them; then the refused ones: those that ever could take
    the pod first, then by how little they lack.
    """
    left = [answer for answer, near in judged if near is None]
    refused = [(answer, near) for answer, near in judged if near is not None]
    return [
        *sorted(left, key=lambda answer: answer.verdict != "fits"),
        *(answer for answer, _ in sorted(refused, key=lambda pair: pair[1].key)),
    ]


def _left_out(fit: Fit, limit: int) -> tuple[str, ...]:
    return (f"{limit} of {fit.total} nodes are shown, the best first",) if 0 < limit < fit.total else ()


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
        parts += [f"{amount_words(name, amount)} {name} of any zone" for name, amount in container.pages]
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
    if subject.passes:
        notes.append(
            "nothing pins its huge pages to a zone: kube-scheduler filters by their sum and scores; no node is ranked here"
        )
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


def _node(
    cluster: Cluster, subject: Subject, fit: Fit, entry: Entry, mover: Mover | None
) -> tuple[NodeAnswer, Nearness | None]:
    """The answer for one node, and how near it is where it refuses."""
    code = Code(entry.code)
    state = cluster.node(entry.name)
    if state is None:
        text = REASONS[code].text
        return NodeAnswer(entry.name, verdict_of(code), code.name, text, entry.score, "enforce", ""), None
    played = _admit(state, subject, code)
    exact = _exact_code(state, subject, code, played)
    counts, code = code, code if exact is None else exact
    verdict = verdict_of(code)
    near = nearness_of(state, subject, code) if verdict == "refused" else None
    placed = played if isinstance(played, Admitted) else None
    given, cells = _given(state, subject, fit.placement(entry.name), placed if exact is Code.Fits else None)
    positions = [zone.id for zone in state.row.zones] if state.row is not None else []
    answer = NodeAnswer(
        node=entry.name,
        verdict=verdict,
        code=code.name,
        text=_text(code, state, near),
        advice=REASONS[code].advice if near is None else advice_for(code, near),
        nearest=near.missing if near is not None else "",
        score=entry.score if verdict != "refused" or exact is None else 0,
        mode=state.facts.pool.mode.name.lower(),
        pool=state.facts.pool.name,
        zones=tuple(positions[i] for i, count in enumerate(given) if count)
        or tuple(positions[i] for i in range(len(positions)) if code is Code.Fits and entry.mask >> i & 1),
        cells=len(cells) or entry.cells,
        per_zone=_zones(state, subject, given, cells, placed),
        facts=tuple(Fact(fact.name, fact.value, fact.source) for fact in state.facts.facts),
        steps=(
            *_counting_rule(state, subject, counts),
            *loose_pages_words(state, subject.question.ask),
            *((_BY_IDS_WORDS,) if exact is not None else ()),
            *(_layout(subject, entry, cells) if exact is None else ()),
            *_played_steps(state, subject, played, verdict),
        ),
        headroom=_headroom(state, subject, cluster.vms.kubevirt) if verdict != "refused" else "",
        migration=mover.outcome(state, code, placed) if mover is not None else None,
    )
    return answer, near


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
    layout = f"{counted(len(cells), 'cell')} of {vcpus} vCPUs"
    if entry.alike:
        return (f"layout: {layout}, as on {counted(entry.alike, 'other node')} that would do now",)
    uneven = len({cell.vcpus for cell in cells}) > 1
    behind = ": ranks behind uneven layouts that others give" if uneven else ""
    return (f"layout: {layout}, as on no other node that would do now{behind}",)


def _text(code: Code, state: NodeState, near: Nearness | None) -> str:
    reason = REASONS[code]
    if code is Code.Fits:
        return reason.text
    text = reason.text
    if code is Code.MemoryGroupConflict and not any(True for _ in state.ledger.pods()):
        text = "the pod's own containers need zones of their memory in different groups"
    detail = state.ledger.problem or (state.facts.detail if state.facts.code is code else "")
    text = f"{text}: {detail}" if detail else text
    words = words_for(code, near) if near is not None else ""
    return f"{text}; {words}" if words else text


def _admit(state: NodeState, subject: Subject, code: Code) -> Admitted | Refused | None:
    """What the kubelet twin says, which decides on CPU ids and memory blocks; None where it cannot be asked."""
    kubelet = state.ledger.kubelet
    if kubelet is None or code in _BEFORE_THE_KUBELET:
        return None
    return kubelet.clone().admit(subject.question.demand)


def _exact_code(state: NodeState, subject: Subject, code: Code, played: Admitted | Refused | None) -> Code | None:
    """The code by CPU ids where counts do not decide and the machine is stated; None: that of the counts stays."""
    if code not in BY_IDS or not state.facts.stated or played is None:
        return None
    return refusal_code(played) if isinstance(played, Refused) else guest_code(state, subject, played)


def _headroom(state: NodeState, subject: Subject, installation: Installation) -> str:
    """Whether the node holds the VM with maxSockets and maxGuest: now, when empty, or never."""
    guest, kubelet = subject.guest, state.ledger.kubelet
    if guest is None or kubelet is None or not guest.dedicated:
        return ""
    words, demand = largest_words(guest.size, guest.max_memory), subject.question.demand
    largest = largest_demand(demand, guest, installation)
    if not words or largest == demand:
        return ""
    if isinstance(kubelet.clone().admit(largest), Admitted):
        return f"holds it at {words} too"
    if isinstance(kubelet.empty().admit(largest), Admitted):
        return f"has no room now for it at {words}"
    return f"can never hold it at {words}, not even when empty"


def _given(
    state: NodeState, subject: Subject, placement: Placement | None, exact: Admitted | None
) -> tuple[tuple[int, ...], tuple[Cell, ...]]:
    """CPUs per zone and guest cells: by counts, or by the CPU ids of `exact`."""
    if exact is None or state.row is None or state.facts.topology is None:
        return (placement.cpus, placement.cells) if placement is not None else ((), ())
    topology, position = state.facts.topology, {zone.id: at for at, zone in enumerate(state.row.zones)}
    cpus = frozenset().union(*(place.cpus for place in exact.containers.values()))
    given = tuple(sum(topology.zone_of[cpu] == zone for cpu in cpus) for zone in position)
    place, guest = exact.containers.get(COMPUTE), subject.guest
    if guest is None or place is None or subject.question.ask.cells is None or subject.move is not None:
        return given, ()
    domain = boot(topology, place.cpus, guest.size)
    if isinstance(domain, GuestError):
        return given, ()
    pairs = zip(domain.memnodes, domain.cells, strict=True)
    return given, tuple(Cell(position[zone], len(cell.cpus), cell.memory_bytes) for zone, cell in pairs)


def _played_steps(
    state: NodeState, subject: Subject, answer: Admitted | Refused | None, verdict: str
) -> tuple[str, ...]:
    """The kubelet twin's answer, step by step."""
    kubelet, demand = state.ledger.kubelet, subject.question.demand
    if kubelet is None or answer is None:
        return ()
    if isinstance(answer, Refused):
        outlook = kubelet.outlook(demand, answer)
        # What the empty node would prefer is no help where it refuses the pod later on.
        rule = answer.rule.partition("; not now:")[0] if outlook.startswith("not even") else answer.rule
        return f"kubelet: {answer.reason}", f"rule: {rule}", f"outlook: {outlook}"
    lines = []
    for container in demand.containers:
        place = answer.containers[container.name]
        parts = [f"zones {','.join(map(str, place.hint))}"] if place.hint is not None else ["no zone preference"]
        if place.cpus:
            parts.append(f"CPUs {format_cpus(from_ids(place.cpus))}")
        parts += [
            f"{amount_words(b.resource, b.bytes)} {b.resource} on {','.join(map(str, b.zones))}" for b in place.memory
        ]
        lines.append(f"{container.name}: {'; '.join(parts)}")
    if verdict == "refused":
        return (f"its kubelet alone would admit the pod ({', '.join(lines)})",)
    return tuple(lines)


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
        free = pages_now(zone)
        missing = [counted(cpus - zone.cpu_free, "CPU")] if cpus > zone.cpu_free else []
        known = zone.pages_free is not None or bool(zone.memory_free)
        missing += [
            shortage(name, amount - free.get(name, 0))
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
