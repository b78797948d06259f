"""Thirty nodes: machines of real shapes, and kubelet settings that the seed distributes over them.

Every seed has the same settings, so every seed has all four policies, both scopes, full-pcpus-only, Memory Manager
Static and each way of reserving CPUs; the seed decides which machine gets which.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from extender import names
from extender.sample.machines import PagesPerZone
from tests.kit.machines import SHAPES, Builder, build, cores, two_level

__all__ = ["fleet"]

_MAX_ZONES_WITH_MEMORY: Final = 4
#: Plain memory that a node with Memory Manager Static keeps for itself, per zone.
_RESERVED_MEMORY: Final = "1Gi"


def _xeon_6140(pages: PagesPerZone | None = None) -> dict[str, Any]:
    """2S Xeon Gold 6140 with SMT off: two zones of 18 CPUs, even and odd numbers."""
    zones = {k: cores(k, range(k, 36, 2)) for k in (0, 1)}
    return build(zones, 192, two_level(2, 10, 21, 1), pages)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A machine, how many of it there are, and how many 1Gi pages each even and each odd zone has."""

    name: str
    builder: Builder
    machines: int
    pages: tuple[int, int]


_SHAPES: Final = (
    _Shape("xeon6230", SHAPES["H1"], 2, (72, 72)),
    _Shape("xeon6140", _xeon_6140, 5, (40, 40)),
    _Shape("e5-2680", SHAPES["H4"], 3, (32, 32)),
    _Shape("lab", SHAPES["H29"], 3, (64, 48)),
    _Shape("telco", SHAPES["H5"], 1, (16, 16)),
    _Shape("snc2", SHAPES["H2"], 4, (40, 40)),
    _Shape("kunpeng", SHAPES["H19"], 1, (64, 64)),
    _Shape("rome", SHAPES["H7"], 1, (32, 32)),
    _Shape("epyc7742", SHAPES["H8"], 4, (18, 16)),
    _Shape("xeon8480", SHAPES["H15"], 3, (24, 24)),
    _Shape("epyc7413", SHAPES["H9"], 3, (24, 24)),
)


@dataclass(frozen=True, slots=True)
class _Kubelet:
    """Settings of one kubelet. `reserved`: how CPUs are kept for the system, see `_reserved_cpus`."""

    policy: str
    scope: str = "container"
    memory_static: bool = False
    reserved: str = "cores"
    cpu_options: Mapping[str, str] | None = None
    topology_options: Mapping[str, str] | None = None


_FULL: Final = {"full-pcpus-only": "true"}
_CLOSEST: Final = {"prefer-closest-numa-nodes": "true"}

#: Thirty kubelets. Those that align to zones are the majority: they are why an administrator wants this program.
_KUBELETS: Final = (
    _Kubelet("none"),
    _Kubelet("none", memory_static=True),
    _Kubelet("none", reserved="count", cpu_options=_FULL),
    _Kubelet("single-numa-node", memory_static=True, cpu_options=_FULL),
    _Kubelet("best-effort", memory_static=True),
    _Kubelet("best-effort", "pod", memory_static=True, reserved="zone"),
    _Kubelet("best-effort", reserved="count", cpu_options=_FULL),
    _Kubelet("restricted"),
    _Kubelet("restricted", "pod"),
    _Kubelet("restricted", reserved="count", topology_options=_CLOSEST),
    _Kubelet("restricted", "pod", memory_static=True),
    _Kubelet("restricted", memory_static=True),
    _Kubelet("restricted", "pod", memory_static=True, reserved="zone"),
    _Kubelet("restricted", cpu_options=_FULL),
    _Kubelet("restricted", "pod", reserved="zone", cpu_options=_FULL),
    _Kubelet("restricted", memory_static=True, reserved="half"),
    _Kubelet("restricted", "pod", memory_static=True, cpu_options=_FULL),
    _Kubelet("restricted", reserved="half", cpu_options=_FULL),
    _Kubelet("restricted", memory_static=True, cpu_options=_FULL),
    _Kubelet("single-numa-node"),
    _Kubelet("single-numa-node", "pod"),
    _Kubelet("single-numa-node", reserved="zone"),
    _Kubelet("single-numa-node", "pod", reserved="count"),
    _Kubelet("single-numa-node", memory_static=True),
    _Kubelet("single-numa-node", "pod", memory_static=True),
    _Kubelet("single-numa-node", memory_static=True, reserved="zone"),
    _Kubelet("single-numa-node", cpu_options=_FULL),
    _Kubelet("single-numa-node", "pod", memory_static=True, cpu_options=_FULL),
    _Kubelet("single-numa-node", "pod", reserved="half"),
    _Kubelet("single-numa-node", "pod", cpu_options=_FULL),
)


def fleet(seed: int) -> list[dict[str, Any]]:
    """The nodes in the format of `hollow-kubelets --nodes`."""
    shapes = [shape for shape in _SHAPES for _ in range(shape.machines)]
    return [
        _node(f"{shape.name}-{number}", shape, kubelet)
        for number, (shape, kubelet) in enumerate(zip(shapes, _distribute(shapes, seed), strict=True), 1)
    ]


def _distribute(shapes: list[_Shape], seed: int) -> list[_Kubelet]:
    """A kubelet for each machine. The kubelets that fit the fewest machines are distributed first.

    full-pcpus-only goes where cores have two threads; elsewhere it does nothing. Machines of more than four zones get
    Memory Manager Static only under single-numa-node and none: otherwise the real Topology Manager tries every
    combination of the hints of three resources, 255 each, for every pod.
    """
    random = Random(f"{seed} kubelets")
    free = list(range(len(shapes)))
    random.shuffle(free)
    machines = [shape.builder(None)["numa"] for shape in shapes]
    chosen: dict[int, _Kubelet] = {}
    for kubelet in sorted(_KUBELETS, key=lambda kubelet: -bool(kubelet.cpu_options) - _is_slow(kubelet)):
        machine = next(k for k in free if _fits(kubelet, machines[k]))
        free.remove(machine)
        chosen[machine] = kubelet
    return [chosen[k] for k in range(len(shapes))]


def _fits(kubelet: _Kubelet, zones: list[dict[str, Any]]) -> bool:
    if kubelet.cpu_options and not _has_smt(zones):
        return False
    return not _is_slow(kubelet) or len(zones) <= _MAX_ZONES_WITH_MEMORY


def _is_slow(kubelet: _Kubelet) -> bool:
    return kubelet.memory_static and kubelet.policy in {"best-effort", "restricted"}


def _has_smt(zones: list[dict[str, Any]]) -> bool:
    return any(len(core["threads"]) > 1 for zone in zones for core in zone["cores"])


def _node(name: str, shape: _Shape, kubelet: _Kubelet) -> dict[str, Any]:
    zone_ids = [zone["id"] for zone in shape.builder(None)["numa"]]
    machine = shape.builder({zone: {"1Gi": shape.pages[k % 2]} for k, zone in enumerate(zone_ids)})
    explicit, count = _reserved_cpus(machine, kubelet.reserved)
    return {
        "name": name,
        "machine": machine,
        "kubelet": {
            "topologyManagerPolicy": kubelet.policy,
            "topologyManagerScope": kubelet.scope,
            "topologyManagerPolicyOptions": dict(kubelet.topology_options or {}),
            "cpuManagerPolicy": "static",
            "cpuManagerPolicyOptions": dict(kubelet.cpu_options or {}),
            "memoryManagerPolicy": "Static" if kubelet.memory_static else "None",
            "reservedMemory": [{"numaNode": zone, "limits": {"memory": _RESERVED_MEMORY}} for zone in zone_ids]
            if kubelet.memory_static
            else [],
            "reservedSystemCPUs": ",".join(map(str, explicit)),
            "reservedCPUCount": count,
        },
        "labels": {
            "machine-type.node.kubevirt.io/q35": "true",
            "kubevirt.io/realtime": "true",
            names.MULTITHREADING_LABEL: "true" if _has_smt(machine["numa"]) else "false",
        },
    }


def _reserved_cpus(machine: dict[str, Any], kind: str) -> tuple[list[int], int]:
    """Reserved CPU ids, or none and how many the kubelet shall choose.

    cores: the first core of each zone. zone: two cores of the first zone, so that zones differ. half: one thread of
    the first core of each zone, so that cores are half reserved. count: four CPUs, ids left to the kubelet.
    """
    zones = machine["numa"]
    if kind == "count":
        return [], 4
    if kind == "zone":
        return sorted(cpu for core in zones[0]["cores"][:2] for cpu in core["threads"]), 0
    if kind == "half":
        return sorted(zone["cores"][0]["threads"][0] for zone in zones), 0
    return sorted(cpu for zone in zones for cpu in zone["cores"][0]["threads"]), 0
