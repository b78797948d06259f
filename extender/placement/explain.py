"""Why a pod fits each node or not, for people: the kernel's verdict, the kubelet twin's rule, and the numbers.

The same code decides here as in a call of kube-scheduler; only the words are more.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import inf

import orjson
from msgspec import structs

from _fastfit import Cell, Entry, Fit
from _fastfit.codes import Code
from _fastfit.counting import zone_code
from extender import names
from extender.api.objects import Pod, PodStatus
from extender.cache.cluster import Cluster
from extender.cache.nodes.node import NodeState
from extender.cache.pods.pod import is_over
from extender.cache.pods.refusal import is_refusal
from extender.kubelet.cpuset import format_cpus, from_ids
from extender.kubelet.predicates import Shortage
from extender.kubelet.refusal_text import rule_beside
from extender.kubelet.results import Admitted, Refused
from extender.kubelet.versions import judged_by
from extender.kubevirt.hotplug import largest_words
from extender.kubevirt.installation import Installation
from extender.kubevirt.launcher_pod import PodRole, controlling_vmi
from extender.kubevirt.migration.target_pod import largest_demand
from extender.placement import node_totals
from extender.placement.answers import Fact, NodeAnswer, PodAnswer
from extender.placement.decide import fit_of
from extender.placement.nearness import Nearness, nearness_of, pages_in_all, words_for
from extender.placement.node_totals import NodeTotals, Short
from extender.placement.notes import (
    demand_words,
    failure_words,
    fixed_notes,
    hotplug_notes,
    left_out_words,
    notes_of,
    passes_words,
    stand_in_words,
)
from extender.placement.outcomes import Mover, mover_of
from extender.placement.page_words import loose_pages_words
from extender.placement.remedies import cause_words, remedy_for
from extender.placement.subject import Subject, subject_of
from extender.placement.winner import BY_IDS, guest_code, refusal_code
from extender.placement.words import amount_words, counted
from extender.placement.zone_answers import given_to, zone_answers
from extender.reasons import REASONS, verdict_of

__all__ = ["explain", "explain_subject"]

#: Verdicts on the whole node that leave nothing for the kubelet to decide.
_BEFORE_THE_KUBELET = frozenset(
    {Code.NotSchedulable, Code.CpuManagerNotStatic, Code.NoPagesOfSize, Code.KubeletCannotStart}
)
_BY_IDS_WORDS = (
    "decided by the CPU ids of the stated machine, as for the winner of a call; filter counts, and says unknown"
)
_KUBELET_ALONE = "not even on the empty node: its kubelet alone would take the pod there, but the huge pages or the guest would not fit"


def explain(cluster: Cluster, pod: Pod, totals: NodeTotals | None = None) -> PodAnswer:
    """The answer for one pod over every node of the cache, which is to be up to date. Changes nothing.

    `totals`: by which the nodes' sums are judged too; None: they are not.
    """
    if not is_over(pod):
        return explain_subject(cluster, subject_of(cluster, pod), totals=totals)
    status = PodStatus(phase="Pending", qos_class=pod.status.qos_class)
    subject = subject_of(cluster, _next_pod(cluster, pod, status))
    refused = pod.spec.node_name if pod.status.phase == "Failed" and is_refusal(pod.status.reason or "") else ""
    answer = explain_subject(cluster, subject, refused_on=refused, totals=totals)
    kind = "ended" if subject.role is PodRole.OTHER else f"ended, judged as its VM's next pod: {answer.kind}"
    return replace(answer, kind=kind, notes=(f"it has ended: {failure_words(pod)}", *answer.notes))


def _next_pod(cluster: Cluster, pod: Pod, status: PodStatus) -> Pod:
    """The pod that would be made like this one now. A migration has another target only while the VM runs elsewhere;
    else its next pod boots it.
    """
    meta = pod.metadata
    if cluster.vms.run_of(controlling_vmi(pod)).node in ("", pod.spec.node_name):
        labels = {key: value for key, value in (meta.labels or {}).items() if key != names.MIGRATION_UID_LABEL}
        marks = (names.CREATE_TARGET_ANNOTATION, names.MIGRATION_NAME_ANNOTATION)
        annotations = {key: value for key, value in (meta.annotations or {}).items() if key not in marks}
        meta = structs.replace(meta, labels=labels, annotations=annotations)
    return structs.replace(pod, metadata=meta, spec=structs.replace(pod.spec, node_name=""), status=status)


def explain_subject(
    cluster: Cluster, subject: Subject, limit: int = 0, refused_on: str = "", totals: NodeTotals | None = None
) -> PodAnswer:
    """The same for a pod that was read already; `limit`: only so many nodes, the best first (0: all).

    `refused_on`: the node whose kubelet refused the pod before this one, where counts do not say why.
    """
    meta = subject.pod.metadata
    short: Short = totals.short(subject.pod) if totals is not None else {}
    not_judged = node_totals.NOT_JUDGED if totals is not None else node_totals.NOT_JUDGED_LIVE
    if subject.role is PodRole.OTHER or subject.question.ordinary:
        installation = cluster.vms.kubevirt
        notes = (passes_words(subject), *hotplug_notes(subject, installation), *fixed_notes(subject, installation))
        names = sorted(cluster.table.names(), key=short.__contains__)[: limit or None]
        nodes = tuple(_passed(cluster, name, short.get(name, ())) for name in names)
        return PodAnswer(
            meta.namespace, meta.name, subject.role.value, (), notes, nodes, cluster.generation, not_judged=not_judged
        )
    mover = mover_of(cluster, subject) if subject.move is not None else None
    source = mover.source if mover is not None else ""
    fit = fit_of(cluster, subject, orjson.dumps([name for name in cluster.table.names() if name != source]))
    if any(entry.name == refused_on and verdict_of(entry.code) != "refused" for entry in fit.entries()):
        fit.exclude(refused_on, Code.RefusedBefore)
    full = [entry.name for entry in fit.entries() if entry.name in short and entry.code == Code.Fits]
    for name in full:
        fit.exclude(name, Code.NodeResourcesShort)
    judged = _nearest_first([_node(cluster, subject, fit, entry, mover, short) for entry in fit.entries(limit)])
    if source in cluster.table:
        # kube-scheduler never asks about it (anti-affinity): it takes no part in the ranking.
        alone = fit_of(cluster, subject, orjson.dumps([source]))
        judged += [replace(_node(cluster, subject, alone, entry, mover, {})[0], score=0) for entry in alone.entries()]
    if subject.passes:
        judged = [replace(node, score=0) for node in judged]
    return PodAnswer(
        namespace=meta.namespace,
        name=meta.name,
        kind=subject.role.value,
        demand=demand_words(subject.question.demand),
        notes=(*notes_of(subject, cluster.vms.kubevirt), *stand_in_words(judged), *left_out_words(fit, limit)),
        nodes=tuple(judged),
        generation=cluster.generation,
        not_judged=not_judged,
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


def _passed(cluster: Cluster, name: str, lacking: Sequence[Shortage]) -> NodeAnswer:
    state = cluster.node(name)
    pool = state.facts.pool if state is not None else cluster.pools.rest
    if lacking:
        return node_totals.refused_in_total(name, pool, lacking)
    return NodeAnswer(name, "fits", Code.Fits.name, "no zone rule applies", 0, pool.mode.name.lower(), pool.name)


def _node(
    cluster: Cluster, subject: Subject, fit: Fit, entry: Entry, mover: Mover | None, short: Short
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
    code = Code.NodeResourcesShort if code is Code.Fits and entry.name in short else code
    verdict = verdict_of(code)
    near = nearness_of(state, subject, code) if verdict == "refused" else None
    lacking = short.get(entry.name, ()) if code is Code.NodeResourcesShort else ()
    if lacking:
        near = node_totals.nearness_in_total(lacking)
    placed = played if isinstance(played, Admitted) else None
    given, cells = given_to(state, subject, fit.placement(entry.name), placed if exact is Code.Fits else None)
    positions = [zone.id for zone in state.row.zones] if state.row is not None else []
    text = node_totals.text_in_total(REASONS[code].text, lacking) if lacking else _text(code, state, near)
    if verdict == "unknown" and entry.name in short:
        text = node_totals.text_in_total(f"{text}; the sums refuse the pod", short[entry.name])
    migration = mover.outcome(state, code, placed) if mover is not None else None
    answer = NodeAnswer(
        node=entry.name,
        verdict=verdict,
        code=code.name,
        text=text,
        advice=remedy_for(code, state, subject, near),
        nearest=near.missing if near is not None else "",
        score=entry.score if verdict != "refused" or exact is None else 0,
        mode=state.facts.pool.mode.name.lower(),
        pool=state.facts.pool.name,
        zones=tuple(positions[i] for i, count in enumerate(given) if count)
        or tuple(positions[i] for i in range(len(positions)) if code is Code.Fits and entry.mask >> i & 1),
        cells=(len(cells) or entry.cells) if code is Code.Fits else 0,
        per_zone=zone_answers(state, subject, given, cells, placed if code is Code.Fits else None),
        facts=tuple(Fact(fact.name, fact.value, fact.source) for fact in state.facts.facts),
        steps=(
            *_counting_rule(state, subject, counts),
            *loose_pages_words(state, subject.question.ask),
            *((_BY_IDS_WORDS,) if exact is not None else ()),
            *(_layout(subject, entry, cells) if exact is None else ()),
            *(node_totals.steps_in_total(lacking) if lacking else _played_steps(state, subject, played, verdict, near)),
        ),
        headroom=_headroom(state, subject, cluster.vms.kubevirt) if verdict != "refused" else "",
        migration=replace(migration, text=text) if migration is not None and lacking else migration,
        stand_in=judged_by(state.facts.version),
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
    text = REASONS[code].text
    if code is Code.Fits:
        return text
    if code is Code.MemoryGroupConflict and ((near is not None and not near.could) or not any(state.ledger.pods())):
        text = "the pod's own containers need zones of their memory in different groups"
    detail = state.ledger.problem if code is Code.KubeletCannotStart else ""
    detail = detail or (state.facts.detail if state.facts.code is code else "") or cause_words(code, state)
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
    now, empty = _pages_left(state, guest.pages)
    pages = sum(amount for part in largest.containers for name, amount in part.memory if name == guest.pages)
    if pages <= now and isinstance(kubelet.clone().admit(largest), Admitted):
        return f"holds it at {words} too"
    if pages <= empty and isinstance(kubelet.empty().admit(largest), Admitted):
        return f"has no room now for it at {words}"
    return f"can never hold it at {words}, not even when empty"


def _pages_left(state: NodeState, resource: str) -> tuple[float, float]:
    """Bytes of these huge pages that the zones have free now, and that they have in all; without end where that is not
    known. Without Memory Manager the kubelet's twin does not look at them.
    """
    free = [(zone.pages_free or {}).get(resource) for zone in state.row.zones] if state.row is not None else []
    known = [left for left in free if left is not None]
    now = sum(known) if resource and free and len(known) == len(free) else inf
    return now, pages_in_all(state, resource)


def _played_steps(
    state: NodeState, subject: Subject, answer: Admitted | Refused | None, verdict: str, near: Nearness | None
) -> tuple[str, ...]:
    """The kubelet twin's answer, step by step."""
    kubelet, demand = state.ledger.kubelet, subject.question.demand
    if kubelet is None or answer is None:
        return ()
    if isinstance(answer, Refused):
        outlook = kubelet.outlook(demand, answer)
        rule = rule_beside(answer.rule, outlook)
        if outlook.startswith("not now") and near is not None and not near.could:
            rule, outlook = rule_beside(answer.rule, _KUBELET_ALONE), _KUBELET_ALONE
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
        return (f"by what is known of it, its kubelet alone would admit the pod ({', '.join(lines)})",)
    return tuple(lines)
