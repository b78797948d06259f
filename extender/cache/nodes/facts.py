"""What is known of one node's kubelet and machine, each fact with its source.

A NodeResourceTopology shows zones, counts, policy and scope; it hides manager options, reserved CPU ids and threads
per core. Those come, in this order, from the node's two annotations, its pool in the configuration, labels that
clusters have, and documented defaults. Sources that contradict each other leave the node undecided.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from _fastfit.codes import Code
from _fastfit.model import MAX_SET_ZONES, MAX_ZONES
from extender import names
from extender.cache.interning import Memo
from extender.cache.nodes.nrt import Nrt
from extender.cache.nodes.pools import Pool
from extender.cache.nodes.statement import NodeStatement, statement_of
from extender.cache.nodes.synthetic_machine import synthetic_config, synthetic_machine
from extender.errors import BadObject
from extender.kubelet.facts_json import config_from_json, machine_from_json, machine_to_json
from extender.kubelet.model import KubeletConfig, Machine
from extender.kubelet.pod import is_memory
from extender.kubelet.unknown_settings import unknown_setting
from extender.kubelet.versions import version_of
from extender.kubevirt.guest.host_topology import HostTopology, host_topology
from extender.kubevirt.renamed_labels import flag_of, names_of

__all__ = ["NodeFacts", "NodeStatement", "SourcedFact", "facts_of", "statement_of"]

#: Zones that Topology Manager handles without the option max-allowable-numa-nodes (KEP-4622).
_TOPOLOGY_MANAGER_ZONES = 8
_ZONES_OPTION = "max-allowable-numa-nodes"
#: The report as a source.
_NRT = "NodeResourceTopology"
#: Resources of a report that a sentence names.
_SHOWN_RESOURCES = 4
_ARCH_LABEL = "kubernetes.io/arch"
#: The source of a fact that nothing speaks of, and how sources begin that show a kubelet which runs.
_DEFAULT = "default"
_SEEN = ("label", _NRT)
_HELD_BACK = "capacity less allocatable"
_RESERVED_SOURCE = f"{_HELD_BACK} of the Node, at least 1"
#: Labels of which facts are made; pools may select by any.
_LABELS = (*names_of(names.CPU_MANAGER_LABEL), names.SCHEDULABLE_LABEL, names.MULTITHREADING_LABEL, _ARCH_LABEL)

#: Facts of the first node of each kind, by everything that they are made of; the pool's id is safe, for the facts
#: keep the pool.
_KINDS: Memo[tuple[object, ...], "NodeFacts"] = Memo(1024)


class _BadNrt(BadObject):
    """The node's report says of its zones what no machine has."""


@dataclass(frozen=True, slots=True)
class SourcedFact:
    """One fact, in words."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Everything that is fixed about a node until somebody reconfigures it.

    `code` is Fits when the node can be judged, else the code that holds for every pod with a zone demand;
    `detail` says why in words. `stated`: CPU ids are real (the machine was stated, not derived).
    """

    name: str
    pool: Pool
    code: Code
    detail: str
    config: KubeletConfig
    machine: Machine | None
    #: the machine as KubeVirt reads it
    topology: HostTopology | None
    stated: bool
    #: something says which policy CPU Manager has; without it, `config` has the default
    cpu_policy_known: bool
    #: per-zone huge pages are known (the machine was stated, or the report names them)
    pages_known: bool
    #: the report does not prove whether Memory Manager is on
    memory_open: bool
    #: memory resources that the node has and its report names in no zone: not known, which is not zero
    left_out: frozenset[str]
    version: str
    page_sizes: frozenset[str]
    #: device resource -> zone id -> devices
    devices: Mapping[str, Mapping[int, int]]
    facts: tuple[SourcedFact, ...]


@functools.lru_cache(maxsize=512)
def _shared_machine(text: str, where: str = names.MACHINE_ANNOTATION) -> tuple[Machine, HostTopology]:
    """Nodes of one hardware model share one Machine, and KubeVirt's view of it."""
    machine = machine_from_json(_json(text, where), where)
    return machine, host_topology(machine)


@functools.lru_cache(maxsize=512)
def _stated_kubelet(text: str) -> Mapping[str, object]:
    stated = _json(text, names.KUBELET_ANNOTATION)
    config_from_json(stated, names.KUBELET_ANNOTATION)  # names the mistake, if there is one
    if not isinstance(stated, dict):  # pragma: no cover - config_from_json has refused it
        raise BadObject(f"{names.KUBELET_ANNOTATION}: not an object")
    return stated


def _json(text: str, where: str) -> object:
    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise BadObject(f"annotation {where} is not JSON: {error}") from error


def facts_of(node: NodeStatement, nrt: Nrt | None, pool: Pool, proved: Mapping[str, str] | None = None) -> NodeFacts:
    """Facts of a node from all its sources. Never raises: what cannot be read becomes the node's code and detail.

    `proved`: CPU Manager options that refusals of its kubelet proved. Nodes of one kind share everything but the name.
    """
    kind = (
        id(pool),
        node.kubelet_json,
        node.machine_json,
        node.page_sizes,
        node.kubelet_version,
        node.reserved_cpus,
        tuple(map(node.labels.get, _LABELS)),
        None if nrt is None else nrt.ground,
        tuple((proved or {}).items()),
    )
    known = _KINDS.get(kind)
    if known is not None:
        return replace(known, name=node.name)
    try:
        facts = _facts(node, nrt, pool, proved or {})
    except BadObject as error:
        return NodeFacts(
            name=node.name,
            pool=pool,
            code=Code.ReportUnreadable if isinstance(error, _BadNrt) else Code.FactsUnreadable,
            detail=str(error),
            config=KubeletConfig(),
            machine=None,
            topology=None,
            stated=False,
            cpu_policy_known=False,
            pages_known=False,
            memory_open=False,
            left_out=frozenset(),
            version=node.kubelet_version,
            page_sizes=node.page_sizes,
            devices={},
            facts=(),
        )
    if facts.code not in (Code.FactsUnreadable, Code.ReportUnreadable):
        # Its words are about this node alone; in all others no name is.
        _KINDS.keep(kind, facts)
    return facts


def _facts(node: NodeStatement, nrt: Nrt | None, pool: Pool, proved: Mapping[str, str]) -> NodeFacts:
    merged, sources = _kubelet_fields(node, nrt, pool)
    if proved:
        stated_options = merged.get("cpuManagerPolicyOptions")
        merged["cpuManagerPolicyOptions"] = {**(stated_options if isinstance(stated_options, dict) else {}), **proved}
        sources["cpuManagerPolicyOptions"] = "proved by a refusal of the kubelet"
    if _reserves_unseen(merged, sources):
        merged["reservedCPUCount"] = max(1, node.reserved_cpus)
        sources["reservedCPUCount"] = _RESERVED_SOURCE
    config = config_from_json(merged, f"kubelet facts of node {node.name}")
    stated, machine_source = _machine(node, pool)
    machine, topology = stated if stated is not None else (None, None)
    threads, threads_source = _threads_per_core(node, pool)
    memory_open, left_out = False, frozenset[str]()
    # Of a report that cannot be read in part, nothing is made that would look like the machine.
    if machine is None and nrt is not None and nrt.zones and not nrt.problem and not _misses_cpus(nrt, config):
        memory_open = sources["memoryManagerPolicy"] == _NRT and not _shows_memory_manager(nrt, node)
        if config.memory_manager_policy == "Static":
            left_out = (node.page_sizes | {"memory"}) - nrt.resources()
        text = msgspec.json.encode(machine_to_json(synthetic_machine(nrt, threads, left_out))).decode()
        try:
            machine, topology = _shared_machine(text, "the machine of its zones")
        except BadObject as error:
            raise _BadNrt(f"{_NRT} {node.name}: {error}") from None
        config = synthetic_config(config, machine, nrt)
        if sources.get("reservedCPUCount") == _RESERVED_SOURCE:
            # The zones show the reservation themselves, or hide it; then none is made up.
            merged["reservedCPUCount"], sources["reservedCPUCount"] = (
                len(config.reserved_system_cpus),
                f"{_NRT}, {_HELD_BACK}",
            )
            if config.reservation_hidden:
                del sources["reservedCPUCount"]
        machine_source = "NodeResourceTopology, cores and CPU numbers assumed"
    code, detail = _judge(node, nrt, config, machine, stated[0] if stated is not None else None, sources)
    if memory_open:
        merged["memoryManagerPolicy"] = "not known"
    words = [SourcedFact(name, _word(merged.get(name)), source) for name, source in sorted(sources.items())]
    words.append(SourcedFact("machine", _machine_words(machine), machine_source))
    words.append(SourcedFact("kubeletVersion", _version_words(node.kubelet_version), "Node"))
    if stated is None:
        words.append(SourcedFact("threadsPerCore", str(threads), threads_source))
    return NodeFacts(
        name=node.name,
        pool=pool,
        code=code,
        detail=detail,
        config=config,
        machine=machine,
        topology=topology,
        stated=stated is not None,
        cpu_policy_known=sources["cpuManagerPolicy"] != _DEFAULT,
        pages_known=stated is not None or config.memory_manager_policy == "Static",
        memory_open=memory_open,
        left_out=left_out,
        version=node.kubelet_version,
        page_sizes=node.page_sizes,
        devices=_devices(nrt),
        facts=tuple(words),
    )


def _version_words(kubelet_version: str) -> str:
    return f"{kubelet_version or 'unknown'} (rules of {version_of(kubelet_version)})"


def _kubelet_fields(node: NodeStatement, nrt: Nrt | None, pool: Pool) -> tuple[dict[str, object], dict[str, str]]:
    """The kubelet's fields in the golden format and where each came from; later layers win."""
    fields: dict[str, object] = {}
    sources: dict[str, str] = {}

    def layer(values: Mapping[str, object], source: str) -> None:
        for name, value in values.items():
            fields[name] = value
            sources[name] = source

    default: dict[str, object] = {
        "topologyManagerPolicy": "none",
        "topologyManagerScope": "container",
        "cpuManagerPolicy": "none",
        "memoryManagerPolicy": "None",
    }
    layer(default, _DEFAULT)
    label = flag_of(node.labels, names.CPU_MANAGER_LABEL)
    if label is not None:
        layer({"cpuManagerPolicy": "static" if label[1] else "none"}, f"label {label[0]}")
    if nrt is not None and nrt.zones:
        seen: dict[str, object] = {}
        if nrt.policy:
            seen["topologyManagerPolicy"] = nrt.policy
        if nrt.scope:
            seen["topologyManagerScope"] = nrt.scope
        # Exporters read allocatable CPUs and memory blocks from the kubelet. A manager that is off has none; so has a
        # report from which they were left out.
        managed = nrt.resources()
        if _names_cpus(nrt):
            seen["cpuManagerPolicy"] = "static"
        seen["memoryManagerPolicy"] = "Static" if any(is_memory(name) for name in managed) else "None"
        layer(seen, _NRT)
    layer(pool.kubelet, f"pool {pool.name}")
    if node.kubelet_json:
        # The annotation is the whole object: options that it does not name are off.
        stated = {"cpuManagerPolicyOptions": {}, **_stated_kubelet(node.kubelet_json)}
        layer(stated, f"annotation {names.KUBELET_ANNOTATION}")
    return fields, sources


def _reserves_unseen(fields: Mapping[str, object], sources: Mapping[str, str]) -> bool:
    """Whether the kubelet is seen to run with CPU Manager static, which takes a reservation, and nobody states which."""
    stated = "reservedSystemCPUs" in fields or "reservedCPUCount" in fields
    return not stated and fields["cpuManagerPolicy"] == "static" and sources["cpuManagerPolicy"].startswith(_SEEN)


def _machine(node: NodeStatement, pool: Pool) -> tuple[tuple[Machine, HostTopology] | None, str]:
    if node.machine_json:
        return _shared_machine(node.machine_json), f"annotation {names.MACHINE_ANNOTATION}"
    if "numa" in pool.machine:
        return _shared_machine(msgspec.json.encode(pool.machine).decode()), f"pool {pool.name}"
    return None, ""


def _threads_per_core(node: NodeStatement, pool: Pool) -> tuple[int, str]:
    """Hardware threads per core where only counts are known."""
    threads = pool.machine.get("threadsPerCore")
    if isinstance(threads, int):
        return threads, f"pool {pool.name}"
    label = node.labels.get(names.MULTITHREADING_LABEL)
    if label is not None:
        return (2 if label == "true" else 1), f"label {names.MULTITHREADING_LABEL}"
    # arm64 servers have no SMT; x86 servers come with it switched on.
    return (1 if node.labels.get(_ARCH_LABEL) == "arm64" else 2), _DEFAULT


def _judge(
    node: NodeStatement,
    nrt: Nrt | None,
    config: KubeletConfig,
    machine: Machine | None,
    stated: Machine | None,
    sources: Mapping[str, str],
) -> tuple[Code, str]:
    """Whether the node can be judged at all."""
    if node.labels.get(names.SCHEDULABLE_LABEL) == "false":
        return Code.NotSchedulable, f"label {names.SCHEDULABLE_LABEL} is false"
    if nrt is not None and nrt.problem and stated is None:
        return Code.ReportUnreadable, f"{_NRT} {node.name}: {nrt.problem}"
    if machine is None and nrt is not None and nrt.zones:
        return Code.CpusNotReported, f"the report names {_named(nrt)} and no CPUs; no machine stated"
    if machine is None:
        return (
            Code.ZonesNotReported,
            f"{f'no {_NRT}' if nrt is None else f'its {_NRT} has no zones'}, no machine stated",
        )
    if sources["topologyManagerPolicy"] == _DEFAULT:
        named = nrt.other_policy if nrt is not None else ""
        other = f"the report names {named!r}, which is not known" if named else "it is not reported"
        return Code.PolicyNotKnown, f"topologyManagerPolicy: {other}, and nothing is stated"
    contradiction = _contradiction(nrt, config, stated)
    if contradiction:
        return Code.FactsContradict, contradiction
    unknown = unknown_setting(config)
    if unknown:
        return Code.OptionNotKnown, unknown
    zones = len(machine.zones)
    aligned = config.topology_manager_policy != "none"
    if aligned and zones > _zones_allowed(config):
        return Code.TooManyZones, f"{zones} zones, policy {config.topology_manager_policy}, {_ZONES_OPTION} not set so"
    if zones > (MAX_SET_ZONES if aligned or config.memory_manager_policy == "Static" else MAX_ZONES):
        return Code.TooManyZones, f"{zones} zones are more than fastfit judges"
    return Code.Fits, ""


def _names_cpus(nrt: Nrt) -> bool:
    return any(zone.allocatable.get("cpu") for zone in nrt.zones)


def _misses_cpus(nrt: Nrt, config: KubeletConfig) -> bool:
    """Whether the node has exclusive CPUs of which its report names none."""
    return config.cpu_manager_policy == "static" and not _names_cpus(nrt)


def _shows_memory_manager(nrt: Nrt, node: NodeStatement) -> bool:
    """Whether the report shows if Memory Manager is on.

    Exporters that read the kubelet name memory and huge pages only where it is. A report without both is that of a node
    where it is off; but on a node with huge pages they may as well be left out (NFD's excludeList names single
    resources, and both at once).
    """
    named = nrt.resources()
    if "memory" in named:
        return nrt.shows_memory_reservation()
    if any(is_memory(name) for name in named):
        return not nrt.foreign
    return not node.page_sizes


def _named(nrt: Nrt) -> str:
    names = sorted(nrt.resources())
    return ", ".join(names[:_SHOWN_RESOURCES]) + (" and others" if len(names) > _SHOWN_RESOURCES else "") or "nothing"


def _zones_allowed(config: KubeletConfig) -> int:
    option = config.topology_manager_policy_options.get(_ZONES_OPTION, "")
    return int(option) if option.isdecimal() and len(option) < 4 else _TOPOLOGY_MANAGER_ZONES


def _contradiction(nrt: Nrt | None, config: KubeletConfig, stated: Machine | None) -> str:
    """Where statement and report cannot both be true; empty when they can."""
    if nrt is None or not nrt.zones:
        return ""
    if nrt.policy and nrt.policy != config.topology_manager_policy:
        return f"topologyManagerPolicy: stated {config.topology_manager_policy}, reported {nrt.policy}"
    if nrt.scope and nrt.scope != config.topology_manager_scope and nrt.policy != "none":
        return f"topologyManagerScope: stated {config.topology_manager_scope}, reported {nrt.scope}"
    if stated is None:
        return ""
    ids = [zone.id for zone in stated.zones]
    nrt_ids = [zone.id for zone in nrt.zones]
    if not set(nrt_ids) <= set(ids):
        return f"zones: stated {ids}, reported {nrt_ids}"
    total = {zone.id: sum(len(core.threads) for core in zone.cores) for zone in stated.zones}
    for zone in nrt.zones:
        capacity = zone.capacity.get("cpu", 0)
        if zone.allocatable.get("cpu") and capacity > total[zone.id]:
            return f"CPUs of zone {zone.id}: stated {total[zone.id]}, reported {capacity}"
    return ""


def _devices(nrt: Nrt | None) -> dict[str, dict[int, int]]:
    """Devices with a zone, by resource name. KubeVirt's own devices never constrain a zone."""
    found: dict[str, dict[int, int]] = {}
    for zone in nrt.zones if nrt is not None else ():
        for name, amount in zone.allocatable.items():
            if "/" in name and not name.startswith(names.KUBEVIRT_DEVICE_PREFIX) and not is_memory(name):
                found.setdefault(name, {})[zone.id] = amount
    return found


def _word(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _machine_words(machine: Machine | None) -> str:
    if machine is None:
        return "not known"
    cpus = [sum(len(core.threads) for core in zone.cores) for zone in machine.zones]
    return f"{len(machine.zones)} zones, CPUs {'/'.join(map(str, cpus))}"


def with_code(facts: NodeFacts, code: Code, detail: str) -> NodeFacts:
    """The same facts with another verdict on the node."""
    return replace(facts, code=code, detail=detail)
