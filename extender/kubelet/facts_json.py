"""Machine and kubelet configuration as JSON: the golden format, which nodes may carry as annotations.

Reading is strict, because others write the annotations. Wrong content raises BadObject with path and value. What is
accepted cannot make a later step crash or run for long.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import cast

from extender.api.quantity import whole
from extender.errors import BadObject
from extender.kubelet.cpuset import MAX_CPU, bits, format_cpus, from_ids, parse_cpus
from extender.kubelet.memory_manager import page_bytes
from extender.kubelet.model import Core, KubeletConfig, Machine, ReservedMemory, Zone
from extender.kubelet.pod import is_memory

__all__ = ["config_from_json", "config_to_json", "machine_from_json", "machine_to_json"]

#: More zones than any machine has; zone masks of the kubelet have 64 bits.
_MAX_ZONES = 64
_MAX_NUMBER = 2**62
_MAX_OPTIONS = 64
_MAX_TEXT = 16384

_CONFIG_TEXT = {
    "topologyManagerPolicy": "topology_manager_policy",
    "topologyManagerScope": "topology_manager_scope",
    "cpuManagerPolicy": "cpu_manager_policy",
    "memoryManagerPolicy": "memory_manager_policy",
}
_CONFIG_OPTIONS = {
    "topologyManagerPolicyOptions": "topology_manager_policy_options",
    "cpuManagerPolicyOptions": "cpu_manager_policy_options",
}
_CONFIG_REST = ("reservedMemory", "reservedSystemCPUs", "reservedCPUCount")


def machine_from_json(obj: object, where: str) -> Machine:
    """Return the machine in `obj` (decoded JSON). Raises BadObject whose text starts with `where`."""
    fields = _object(obj, where, ("sockets", "numa"))
    sockets = _number(_need(fields, "sockets", where), f"{where}.sockets", 1, MAX_CPU + 1)
    entries = _list(_need(fields, "numa", where), f"{where}.numa", _MAX_ZONES)
    zones = tuple(_zone(entry, f"{where}.numa[{i}]", len(entries)) for i, entry in enumerate(entries))
    if not any(zone.cores for zone in zones):
        raise BadObject(f"{where}.numa: no zone has a core")
    for before, after in pairwise(zones):
        if before.id >= after.id:
            raise BadObject(f"{where}.numa: zone {after.id} follows zone {before.id}; ids must ascend")
    seen = 0
    for zone in zones:
        for core in zone.cores:
            own = from_ids(core.threads)
            if own & seen or own.bit_count() != len(core.threads):
                raise BadObject(f"{where}.numa: zone {zone.id}: a CPU of {list(core.threads)} is listed twice")
            seen |= own
    present = len({core.socket for zone in zones for core in zone.cores})
    if present > sockets:
        raise BadObject(f"{where}.sockets: {sockets}, but the cores name {present}")
    return Machine(sockets, zones)


def machine_to_json(machine: Machine) -> dict[str, object]:
    """Return what machine_from_json reads."""
    return {"sockets": machine.sockets, "numa": [_zone_to_json(zone) for zone in machine.zones]}


def config_from_json(obj: object, where: str) -> KubeletConfig:
    """Return the configuration in `obj` (decoded JSON); absent fields take the kubelet's defaults.

    Raises BadObject whose text starts with `where`. Kubelet() raises if a kubelet would not start with it.
    """
    fields = _object(obj, where, (*_CONFIG_TEXT, *_CONFIG_OPTIONS, *_CONFIG_REST))
    values: dict[str, object] = {}
    for name, value in fields.items():
        path = f"{where}.{name}"
        if name in _CONFIG_TEXT:
            values[_CONFIG_TEXT[name]] = _text(value, path)
        elif name in _CONFIG_OPTIONS:
            values[_CONFIG_OPTIONS[name]] = _options(value, path)
        elif name == "reservedMemory":
            entries = _list(value, path, _MAX_ZONES)
            values["reserved_memory"] = tuple(_reserved(entry, f"{path}[{i}]") for i, entry in enumerate(entries))
        elif name == "reservedSystemCPUs":
            values["reserved_system_cpus"] = frozenset(bits(parse_cpus(_text(value, path), path)))
        else:
            values["reserved_cpu_count"] = _number(value, path, 0, MAX_CPU + 1)
    return KubeletConfig(**values)  # type: ignore[arg-type]


def config_to_json(config: KubeletConfig) -> dict[str, object]:
    """Return what config_from_json reads."""
    texts = {name: cast(str, getattr(config, field)) for name, field in _CONFIG_TEXT.items()}
    options = {name: dict(getattr(config, field)) for name, field in _CONFIG_OPTIONS.items()}
    return {
        **texts,
        **options,
        "reservedMemory": [
            {"numaNode": entry.zone, "limits": {r: str(amount) for r, amount in entry.limits.items()}}
            for entry in config.reserved_memory
        ],
        "reservedSystemCPUs": format_cpus(from_ids(config.reserved_system_cpus)),
        "reservedCPUCount": config.reserved_cpu_count,
    }


def _zone(obj: object, where: str, zones: int) -> Zone:
    fields = _object(obj, where, ("id", "memoryBytes", "hugepages", "distances", "cores"))
    zone_id = _number(_need(fields, "id", where), f"{where}.id", 0, 1023)
    memory = _number(_need(fields, "memoryBytes", where), f"{where}.memoryBytes", 0, _MAX_NUMBER)
    hugepages = {}
    for size, count in _mapping(fields.get("hugepages") or {}, f"{where}.hugepages").items():
        path = f"{where}.hugepages.{size[:20]}"
        if not page_bytes(size):
            raise BadObject(f"{path} is not a page size (such as 2Mi or 1Gi)")
        hugepages[size] = _number(count, path, 0, _MAX_NUMBER)
    if sum(page_bytes(size) * count for size, count in hugepages.items()) > memory:
        raise BadObject(f"{where}.hugepages: the pages are more than the zone's memoryBytes {memory}")
    rows = _list(fields.get("distances") or [], f"{where}.distances", _MAX_ZONES)
    distances = tuple(_number(value, f"{where}.distances[{i}]", 0, 65535) for i, value in enumerate(rows))
    if distances and len(distances) != zones:
        raise BadObject(f"{where}.distances: {len(distances)} values for {zones} zones")
    cores = _list(fields.get("cores") or [], f"{where}.cores", MAX_CPU + 1)
    return Zone(
        zone_id, memory, hugepages, distances, tuple(_core(core, f"{where}.cores[{i}]") for i, core in enumerate(cores))
    )


def _core(obj: object, where: str) -> Core:
    fields = _object(obj, where, ("socket", "l3", "threads"))
    socket = _number(_need(fields, "socket", where), f"{where}.socket", 0, MAX_CPU)
    l3 = fields.get("l3")
    threads = _list(_need(fields, "threads", where), f"{where}.threads", MAX_CPU + 1)
    if not threads:
        raise BadObject(f"{where}.threads: a core has at least one CPU")
    return Core(
        socket,
        None if l3 is None else _number(l3, f"{where}.l3", 0, _MAX_NUMBER),
        tuple(_number(cpu, f"{where}.threads[{i}]", 0, MAX_CPU) for i, cpu in enumerate(threads)),
    )


def _zone_to_json(zone: Zone) -> dict[str, object]:
    return {
        "id": zone.id,
        "memoryBytes": zone.memory_bytes,
        "hugepages": dict(zone.hugepages),
        "distances": list(zone.distances),
        "cores": [{"socket": core.socket, "l3": core.l3, "threads": list(core.threads)} for core in zone.cores],
    }


def _reserved(obj: object, where: str) -> ReservedMemory:
    fields = _object(obj, where, ("numaNode", "limits"))
    zone = _number(_need(fields, "numaNode", where), f"{where}.numaNode", 0, 1023)
    limits = {}
    for resource, value in _mapping(_need(fields, "limits", where), f"{where}.limits").items():
        path = f"{where}.limits.{resource[:40]}"
        if not is_memory(resource):
            raise BadObject(f"{path} is not memory or hugepages-<size>")
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise BadObject(f"{path}: {_shown(value)} is not a quantity")
        try:
            limits[resource] = whole(value)
        except BadObject as fault:
            raise BadObject(f"{path}: {fault}") from None
        if limits[resource] < 0:
            raise BadObject(f"{path}: {_shown(value)} is negative")
    return ReservedMemory(zone, limits)


def _options(value: object, where: str) -> dict[str, str]:
    given = _mapping(value, where)
    return {name: _text(text, f"{where}.{name[:40]}") for name, text in given.items()}


# --- shapes ------------------------------------------------------------------------------------------------


def _shown(value: object) -> str:
    return repr(value)[:80]


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise BadObject(f"{where}: {_shown(value)} is not an object")
    if len(value) > _MAX_OPTIONS:
        raise BadObject(f"{where}: {len(value)} entries are too many")
    return value


def _object(value: object, where: str, names: tuple[str, ...]) -> Mapping[str, object]:
    fields = _mapping(value, where)
    for name in fields:
        if name not in names:
            raise BadObject(f"{where}.{name[:40]} is not a field; there are {', '.join(names)}")
    return fields


def _need(fields: Mapping[str, object], name: str, where: str) -> object:
    if name not in fields:
        raise BadObject(f"{where}.{name} is missing")
    return fields[name]


def _list(value: object, where: str, most: int) -> list[object]:
    if not isinstance(value, list):
        raise BadObject(f"{where}: {_shown(value)} is not a list")
    if len(value) > most:
        raise BadObject(f"{where}: {len(value)} entries, more than {most}")
    return value


def _number(value: object, where: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadObject(f"{where}: {_shown(value)} is not a number from {least} to {most}")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise BadObject(f"{where}: {_shown(value)} is not a short text")
    return value
