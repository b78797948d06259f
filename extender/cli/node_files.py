"""Reads a node's machine and kubelet configuration from files, in the golden format or the kubelet's own."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from extender.api.quantity import milli
from extender.cli.kubelet_file import check_kubelet_file
from extender.cli.kubelet_files import KUBELET_KIND, OPENSHIFT_KIND, settings_in
from extender.errors import BadObject
from extender.kubelet.admission import Kubelet
from extender.kubelet.allocatable import MAX_PODS, Reservations, allocatable_of, reservations_of, stated_reservations
from extender.kubelet.facts_json import config_from_json, machine_from_json
from extender.kubelet.model import CannotStart, KubeletConfig, Machine
from extender.kubelet.predicates import Allocatable
from extender.snapshot.aliases import too_many_aliases

__all__ = ["StatedNode", "stated_node"]

#: Fields of KubeletConfiguration that decide admission; the golden format has them under the same names.
_SHARED = (
    "topologyManagerPolicy", "topologyManagerScope", "topologyManagerPolicyOptions", "cpuManagerPolicy",
    "cpuManagerPolicyOptions", "memoryManagerPolicy", "reservedMemory", "reservedSystemCPUs",
)  # fmt: skip
#: Fields of KubeletConfiguration with the number of reserved CPUs, if reservedSystemCPUs is not set.
_RESERVATIONS: Final = ("kubeReserved", "systemReserved")
#: Fields of a file with machine and kubelet. Recorded scenarios have `name` and `steps` too.
_NODE_FIELDS = ("machine", "kubelet", "devices", "name", "steps")


@dataclass(frozen=True, slots=True)
class StatedNode:
    """An empty node. `allocatable_notes`: what the files leave open of its allocatable, and what is taken instead."""

    kubelet: Kubelet
    allocatable: Allocatable
    allocatable_notes: tuple[str, ...]


def stated_node(machine_file: str, kubelet_file: str | None, version: str) -> StatedNode:
    """The empty node that files state ("-": standard input). Raises BadObject, which names file and path."""
    content = _object(machine_file)
    devices: Mapping[str, Mapping[int, int]] = {}
    if "numa" in content:
        machine, config = machine_from_json(content, f"{machine_file}: machine"), None
    else:
        for name in content:
            if name not in _NODE_FIELDS:
                raise BadObject(f"{machine_file}: {name} is not a field; there are {', '.join(_NODE_FIELDS)}")
        if "machine" not in content:
            raise BadObject(f"{machine_file}: machine is missing; expected an object with `machine` and `kubelet`")
        machine = machine_from_json(content["machine"], f"{machine_file}: machine")
        config = config_from_json(content["kubelet"], f"{machine_file}: kubelet") if "kubelet" in content else None
        devices = _devices(content.get("devices", {}), f"{machine_file}: devices")
    reserved = None
    if kubelet_file is not None:
        given = _object(kubelet_file)
        own = settings_in(given, kubelet_file)
        kind = str(given.get("kind"))
        config = _config(own, kubelet_file)
        if own.get("kind") == KUBELET_KIND:
            if kind != OPENSHIFT_KIND:
                # OpenShift completes its own from elsewhere: what the file lacks is no fault of it.
                check_kubelet_file(own, config, kubelet_file)
            reserved = reservations_of(own, config, kubelet_file)
        _check_reservation(config, kind, own, kubelet_file)
    if config is None:
        raise BadObject(f"{machine_file}: says nothing of the kubelet; name its configuration with --kubelet FILE")
    kubelet = _start(machine, config, version, devices, kubelet_file or machine_file)
    notes = tuple(_open(config, reserved))
    reserved = reserved or stated_reservations(config)
    return StatedNode(kubelet, allocatable_of(machine, reserved, devices), notes)


def _open(config: KubeletConfig, reserved: Reservations | None) -> Iterator[str]:
    """What is taken for what the files do not say."""
    if reserved is None and stated_reservations(config).memory == 0:
        yield "reserved memory is not stated: 100Mi, the kubelet's default of evictionHard"
    if reserved is None or not (reserved.max_pods or reserved.pods_per_core):
        yield f"pods: {MAX_PODS}, the kubelet's default of maxPods"
    yield "the disk is not stated: ephemeral-storage is not judged"
    yield "extended resources that the files do not name are not judged"


def _start(
    machine: Machine, config: KubeletConfig, version: str, devices: Mapping[str, Mapping[int, int]], where: str
) -> Kubelet:
    try:
        return Kubelet(machine, config, version, devices)
    except CannotStart as error:
        raise CannotStart(f"{where}: a kubelet does not start with this: {error}") from None


def _config(content: Mapping[str, object], where: str) -> KubeletConfig:
    if content.get("kind") != KUBELET_KIND:
        inner = content.get("kubelet", content)
        return config_from_json(inner, f"{where}: kubelet")
    fields: dict[str, object] = {name: content[name] for name in _SHARED if content.get(name) is not None}
    if not fields.get("reservedSystemCPUs"):
        fields["reservedCPUCount"] = -(-sum(_reserved(content, name, where) for name in _RESERVATIONS) // 1000)
    return config_from_json(fields, where)


def _check_reservation(config: KubeletConfig, kind: str, content: Mapping[str, object], where: str) -> None:
    """Raises CannotStart where a file that should have a reservation has none, and CPU Manager needs one."""
    if config.cpu_manager_policy != "static" or config.reserved_system_cpus or config.reserved_cpu_count:
        return
    if content.get("kind") == KUBELET_KIND:
        more = "; OpenShift adds one of its own that is not written here: take the kubelet's answer at /configz"
        raise CannotStart(
            f"{where}: reserves no CPUs, and with cpuManagerPolicy static a kubelet does not start without: it needs "
            f"reservedSystemCPUs, kubeReserved.cpu or systemReserved.cpu{more if kind == OPENSHIFT_KIND else ''}"
        )


def _reserved(content: Mapping[str, object], name: str, where: str) -> int:
    """Thousandths of a CPU."""
    amounts = content.get(name) or {}
    cpu = amounts.get("cpu", 0) if isinstance(amounts, dict) else None
    if isinstance(cpu, bool) or not isinstance(cpu, str | int | float):
        raise BadObject(f"{where}: {name}.cpu is not a quantity")
    try:
        return milli(cpu)
    except BadObject as error:
        raise BadObject(f"{where}: {name}.cpu: {error}") from None


def _devices(content: object, where: str) -> dict[str, dict[int, int]]:
    """Resource -> zone id -> devices."""
    expected = f"{where}: expected resource -> zone -> number, as in {{example.com/gpu: {{0: 2}}}}"
    if not isinstance(content, dict):
        raise BadObject(expected)
    devices: dict[str, dict[int, int]] = {}
    for resource, zones in content.items():
        if not isinstance(zones, dict):
            raise BadObject(expected)
        for zone, count in zones.items():
            if isinstance(count, bool) or not isinstance(count, int) or not str(zone).isdecimal():
                raise BadObject(expected)
            devices.setdefault(str(resource), {})[int(zone)] = count
    return devices


def _object(path: str) -> Mapping[str, object]:
    """The object in a JSON or YAML file."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        if too_many_aliases(text, yaml.CSafeLoader):
            raise BadObject(f"{path}: has too many aliases (*); write their values out")
        content = yaml.load(text, Loader=yaml.CSafeLoader)
    except OSError as error:
        raise BadObject(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadObject(f"{path}: is neither JSON nor YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise BadObject(f"{path}: expected one object")
    return content
