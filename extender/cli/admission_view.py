"""Output of `fastfit admit`: the steps of an admission as text or as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from extender import names
from extender.cli.tables import Cell, Column, Terminal, clean, render, wrap
from extender.kubelet.admission import Kubelet
from extender.kubelet.cpuset import format_cpus, from_ids
from extender.kubelet.facts_json import config_to_json
from extender.kubelet.model import KubeletConfig
from extender.kubelet.pod import PodDemand, is_memory
from extender.kubelet.predicates import Allocatable, Shortage, Used, is_extended
from extender.kubelet.refusal_text import amount_text, rule_beside
from extender.kubelet.results import Admitted, Block, ContainerPlacement, Refused
from extender.kubelet.trace import Answer, Asked, Decided, Failed, Step, Took

__all__ = ["ADMISSION_KIND", "Admission", "NodeFacts", "Sums", "as_json", "as_text", "sum_text"]

ADMISSION_KIND = "FastfitAdmission"

#: Sets of zones in a cell of the table before it says "and N more".
_SHOWN = 8
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The node's name, notes on it, and its pods (namespace/name -> UID)."""

    name: str
    notes: tuple[str, ...]
    pods: Mapping[str, str] = field(default_factory=dict)
    allocatable: Allocatable = field(default_factory=lambda: Allocatable({}))
    allocatable_notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sums:
    """What a pod requests and the others use, CPUs in thousandths, and what the node has too little of."""

    requests: Mapping[str, int]
    used: Used
    allocatable: Allocatable
    short: tuple[Shortage, ...]
    critical: bool

    def judged(self) -> Iterator[Shortage]:
        """Every resource that the kubelet compares, in its order."""
        order = {name: number for number, name in enumerate(("pods", "cpu", "memory", "ephemeral-storage"))}
        has = self.allocatable
        for name in sorted(self.requests, key=lambda name: (order.get(name, len(order)), name)):
            if self.requests[name] and has.judges(name) and (name in has.amounts or not is_extended(name)):
                used = self.used.pods if name == "pods" else self.used.amounts.get(name, 0)
                yield Shortage(name, self.requests[name], used, has.amounts.get(name, 0))


@dataclass(frozen=True, slots=True)
class Admission:
    """One pod's admission. `outlook`: whether waiting can help a refused pod. `ran_there`: it held resources, now
    freed.
    """

    pod: str
    demand: PodDemand
    steps: tuple[Step, ...]
    answer: Admitted | Refused
    outlook: str
    ran_there: bool
    #: the kubelet's sums; None: its managers had refused before
    sums: Sums | None = None


# --- text ------------------------------------------------------------------------------------------------------------


def as_text(facts: NodeFacts, before: Kubelet, played: Sequence[Admission], terminal: Terminal) -> str:
    """The node, then every pod with its steps and the result."""
    parts = ["\n".join(_node(facts, before, terminal))]
    parts += ["\n".join(_pod(admission, terminal)) for admission in played]
    return "\n\n".join(parts)


def _node(facts: NodeFacts, kubelet: Kubelet, terminal: Terminal) -> Iterator[str]:
    yield terminal.paint(clean(f"Node {facts.name}".rstrip()), "bold") + f": Kubernetes {kubelet.version}"
    yield wrap(_config_text(kubelet.config), terminal, _INDENT)
    for note in facts.notes:
        yield wrap(f"note: {note}", terminal, _INDENT)
    if facts.pods:
        yield wrap(f"runs there: {', '.join(sorted(facts.pods))}", terminal, _INDENT)
    amounts = ", ".join(_sum_amount(name, amount) for name, amount in sorted(facts.allocatable.amounts.items()))
    yield wrap(f"allocatable: {amounts or 'not known'}", terminal, _INDENT)
    yield from (wrap(f"note: {note}", terminal, _INDENT) for note in facts.allocatable_notes)
    columns = [
        Column("ZONE", right=True),
        Column("CPUS FREE"),
        Column("MEMORY FREE", wraps=True),
        Column("BLOCKS", right=True),
        Column("GROUP"),
        Column("DEVICES FREE"),
    ]
    zones = kubelet.counts().zones
    rows = [
        [
            str(zone.id),
            f"{zone.cpu_free} of {zone.cpu_total}" + (f" ({zone.cpu_reserved} reserved)" if zone.cpu_reserved else ""),
            ", ".join(amount_text(name, amount.free) for name, amount in sorted(zone.memory.items())),
            str(zone.blocks or ""),
            _set([z.id for position, z in enumerate(zones) if zone.group >> position & 1])
            if zone.group & (zone.group - 1)
            else "",
            ", ".join(f"{amount.free} of {amount.total} {name}" for name, amount in sorted(zone.devices.items())),
        ]
        for zone in zones
    ]
    yield render(columns, rows, terminal, _INDENT)


def _config_text(config: KubeletConfig) -> str:
    topology = f"Topology Manager {config.topology_manager_policy}"
    if config.topology_manager_policy != "none":
        topology += f", scope {config.topology_manager_scope}"
    cpu = f"CPU Manager {config.cpu_manager_policy}"
    return "; ".join(
        (
            topology + _options(config.topology_manager_policy_options),
            cpu + _options(config.cpu_manager_policy_options),
            f"Memory Manager {config.memory_manager_policy}",
        )
    )


def _options(options: Mapping[str, str]) -> str:
    return f" ({', '.join(f'{name}={value}' for name, value in sorted(options.items()))})" if options else ""


def _pod(admission: Admission, terminal: Terminal) -> Iterator[str]:
    yield terminal.paint(clean(f"Pod {admission.pod}"), "bold")
    if admission.ran_there:
        yield wrap("note: it runs there already; it is admitted anew, its old place is free", terminal, _INDENT)
    for container in admission.demand.containers:
        parts = [amount_text("cpu", container.exclusive_cpus)] if container.exclusive_cpus else []
        parts += [amount_text(name, amount) for name, amount in (*container.memory, *container.devices) if amount]
        asks = ", ".join(parts) or "nothing that is pinned"
        yield wrap(f"{container.name} ({container.kind.value}) asks for {asks}", terminal, _INDENT)
    for number, step in enumerate(admission.steps, 1):
        yield from _step(number, step, terminal)
    if admission.sums is not None:
        yield from _sums(len(admission.steps) + 1, admission.sums, terminal)
    yield from _result(admission, terminal)


def _sums(number: int, sums: Sums, terminal: Terminal) -> Iterator[str]:
    verdict = f"short of {', '.join(one.resource for one in sums.short)}" if sums.short else "enough"
    if sums.critical:
        verdict = "a critical pod: where they do not suffice, the kubelet evicts others"
    yield wrap(f"{number}. sums over all pods of the node: {verdict}", terminal, _INDENT)
    columns = [Column("RESOURCE"), Column("REQUESTED"), Column("USED"), Column("ALLOCATABLE")]
    rows: list[list[str | Cell]] = [
        [one.resource, *(_bare_amount(one.resource, n) for n in (one.requested, one.used, one.capacity))]
        for one in sums.judged()
    ]
    yield render(columns, rows, terminal, _INDENT * 2)


def sum_text(short: Shortage) -> str:
    """What a sum is short of: "hugepages-1Gi: 32Gi requested, 16Gi used, 36Gi allocatable"."""
    numbers = (_bare_amount(short.resource, amount) for amount in (short.requested, short.used, short.capacity))
    return f"{short.resource}: {{}} requested, {{}} used, {{}} allocatable".format(*numbers)


def _sum_amount(name: str, amount: int) -> str:
    return f"{_bare_amount(name, amount)} {name}"


def _bare_amount(name: str, amount: int) -> str:
    if name == "cpu":
        return f"{amount / 1000:g}"
    if is_memory(name) or name == "ephemeral-storage":
        return amount_text("memory", amount).removesuffix(" memory")
    return str(amount)


def _step(number: int, step: Step, terminal: Terminal) -> Iterator[str]:
    match step:
        case Asked():
            yield wrap(f"{number}. hints for {step.who}", terminal, _INDENT)
            columns = [
                Column("MANAGER"),
                Column("REQUEST"),
                Column("WIDTH", right=True),
                Column("ZONES (* PREFERRED)"),
                Column("WHY", wraps=True),
            ]
            yield render(columns, [_hint_row(answer) for answer in step.answers], terminal, _INDENT * 2)
        case Decided():
            zones = "no guidance" if step.zones is None else _set(step.zones)
            preferred = ", preferred" if step.preferred else ", not preferred" if step.zones is not None else ""
            verdict = "admitted" if step.admitted else "refused"
            yield wrap(f"{number}. merged for {step.who}: {zones}{preferred}: {verdict}", terminal, _INDENT)
            if step.admitted:
                yield wrap(step.why, terminal, _INDENT * 2)
        case Took():
            given = f"{number}. {step.manager} gives {step.container}: {_given(step.cpus, step.memory, step.devices)}"
            yield wrap(given + (f"; {step.why}" if step.why else ""), terminal, _INDENT)
        case Failed():
            yield wrap(f"{number}. {step.manager} cannot give {step.container} what it asks for", terminal, _INDENT)


def _hint_row(answer: Answer) -> list[str | Cell]:
    if answer.hints is None:
        hints = "no preference"
    elif not answer.hints:
        hints = "none: impossible"
    else:
        ordered = sorted(answer.hints, key=lambda hint: not hint[1])
        hints = " ".join(_set(zones) + ("*" if preferred else "") for zones, preferred in ordered[:_SHOWN])
        hints += f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    request = amount_text(answer.resource, answer.request) if answer.request else answer.resource
    return [answer.manager, request, str(answer.width or ""), hints, answer.why]


def _result(admission: Admission, terminal: Terminal) -> Iterator[str]:
    answer = admission.answer
    if isinstance(answer, Refused):
        yield _INDENT + terminal.paint("refused", "red") + f": {clean(answer.reason)}"
        yield wrap(f"message: Pod was rejected: {answer.message}", terminal, _INDENT * 2)
        yield _INDENT * 2 + "rule:"
        rule = rule_beside(answer.rule, admission.outlook)
        yield from (wrap(f"- {part}", terminal, _INDENT * 3) for part in rule.split("; "))
        yield wrap(f"outlook: {admission.outlook}", terminal, _INDENT * 2)
        return
    yield _INDENT + terminal.paint("admitted", "green")
    columns = [Column("CONTAINER"), Column("ZONES"), Column("HOLDS", wraps=True)]
    rows = [
        [name, "" if place.hint is None else _set(place.hint), _given(place.cpus, place.memory, place.devices)]
        for name, place in answer.containers.items()
    ]
    yield render(columns, rows, terminal, _INDENT * 2)


def _given(cpus: frozenset[int], memory: Sequence[Block], devices: Mapping[str, Mapping[int, int]]) -> str:
    parts = [f"{'CPU' if len(cpus) == 1 else 'CPUs'} {format_cpus(from_ids(cpus))}"] if cpus else []
    parts += [f"{amount_text(block.resource, block.bytes)} on {_set(block.zones)}" for block in memory]
    parts += [
        f"{count} {resource} on {_set([zone])}"
        for resource, counts in devices.items()
        for zone, count in counts.items()
    ]
    return ", ".join(parts) or "nothing that is pinned"


def _set(zones: Sequence[int]) -> str:
    return "{" + ",".join(map(str, zones)) + "}"


# --- JSON ------------------------------------------------------------------------------------------------------------


def as_json(facts: NodeFacts, before: Kubelet, played: Sequence[Admission]) -> bytes:
    """One object: the node before the first pod, and every pod with its steps and all hints."""
    node = {
        "name": facts.name,
        "kubeletVersion": before.version,
        "kubelet": config_to_json(before.config),
        "notes": list(facts.notes),
        "pods": sorted(facts.pods),
        "state": before.state(),
        "allocatable": dict(sorted(facts.allocatable.amounts.items())),
        "allocatableNotes": list(facts.allocatable_notes),
    }
    head = {"apiVersion": names.API_VERSION, "kind": ADMISSION_KIND, "node": node}
    return orjson.dumps(head | {"pods": [_pod_json(admission) for admission in played]}, option=_JSON)


_JSON = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS


def _pod_json(admission: Admission) -> dict[str, object]:
    answer = admission.answer
    result: dict[str, object] = {"pod": admission.pod, "admit": isinstance(answer, Admitted)}
    if isinstance(answer, Refused):
        rule = rule_beside(answer.rule, admission.outlook)
        result |= {"reason": answer.reason, "message": answer.message, "rule": rule}
        result["outlook"] = admission.outlook
    result["steps"] = [_step_json(step) for step in admission.steps]
    if admission.sums is not None:
        result["sums"] = [
            {"resource": one.resource, "requested": one.requested, "used": one.used, "allocatable": one.capacity}
            for one in admission.sums.judged()
        ]
    result["containers"] = {name: _place_json(place) for name, place in answer.containers.items()}
    return result


def _step_json(step: Step) -> dict[str, object]:
    match step:
        case Asked():
            return {"step": "hints", "for": step.who, "answers": [_answer_json(answer) for answer in step.answers]}
        case Decided():
            return {
                "step": "merge",
                "for": step.who,
                "zones": step.zones,
                "preferred": step.preferred,
                "admit": step.admitted,
                "why": step.why,
            }
        case Took():
            return {
                "step": "allocate",
                "container": step.container,
                "manager": step.manager,
                "cpus": format_cpus(from_ids(step.cpus)),
                "memory": _blocks_json(step.memory),
                "devices": step.devices,
                "why": step.why,
            }
        case Failed():
            return {
                "step": "fail",
                "container": step.container,
                "manager": step.manager,
                "reason": step.failure.reason,
                "message": step.failure.message,
                "why": step.failure.rule,
            }


def _answer_json(answer: Answer) -> dict[str, object]:
    hints = answer.hints
    return {
        "manager": answer.manager,
        "resource": answer.resource,
        "request": answer.request,
        "width": answer.width,
        "hints": None if hints is None else [{"zones": zones, "preferred": preferred} for zones, preferred in hints],
        "why": answer.why,
    }


def _place_json(place: ContainerPlacement) -> dict[str, object]:
    return {
        "cpus": format_cpus(from_ids(place.cpus)),
        "zones": place.hint,
        "preferred": place.preferred,
        "memory": _blocks_json(place.memory),
        "devices": place.devices,
    }


def _blocks_json(blocks: Sequence[Block]) -> list[dict[str, object]]:
    return [{"resource": block.resource, "zones": block.zones, "bytes": block.bytes} for block in blocks]
