"""What keeps a kubelet from starting with its KubeletConfiguration file, before its resource managers see a machine.

Rules, the same in Kubernetes 1.33 to 1.37: cmd/kubelet/app/server.go (parseResourceList, reservedSystemCPUs),
pkg/kubelet/apis/config/validation/validation.go, pkg/kubelet/cm/cpumanager/policy_options.go
(CheckPolicyOptionAvailable), pkg/kubelet/cm/memorymanager/memory_manager.go (validateReservedMemory). The file is taken
for all that the kubelet is told: flags of its command line are not seen.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from extender.api.quantity import whole
from extender.errors import BadObject
from extender.kubelet.model import CannotStart, KubeletConfig

__all__ = ["check_kubelet_file"]

_RESERVED: Final = ("kubeReserved", "systemReserved")
_RESERVABLE: Final = ("cpu", "memory", "ephemeral-storage", "pid")
_CGROUPS: Final = ("kubeReservedCgroup", "systemReservedCgroup")
#: CPU Manager options behind a feature gate in every release that is modelled: gate, its general one, its default.
_GATED: Final = {
    "align-by-socket": ("CPUManagerPolicyAlphaOptions", "AllAlpha", False),
    "distribute-cpus-across-cores": ("CPUManagerPolicyAlphaOptions", "AllAlpha", False),
    "distribute-cpus-across-numa": ("CPUManagerPolicyBetaOptions", "AllBeta", True),
}
_MEMORY: Final = "memory"
_EVICTION: Final = "memory.available"
#: The kubelet's evictionHard for memory where its file names no evictionHard (pkg/kubelet/eviction/defaults_linux.go).
_EVICTION_DEFAULT: Final = "100Mi"
#: The kubelet trims nothing: "0, 16" is no CPU list.
_CPU_LIST: Final = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*", re.ASCII)


def check_kubelet_file(content: Mapping[str, object], config: KubeletConfig, where: str) -> None:
    """Raise CannotStart, which names the file and the rule, if a kubelet does not start with this KubeletConfiguration."""
    for fault in _faults(content, config, where):
        raise CannotStart(f"{where}: a kubelet does not start with this: {fault}")


def _faults(content: Mapping[str, object], config: KubeletConfig, where: str) -> Iterator[str]:
    cpus = content.get("reservedSystemCPUs")
    if cpus and isinstance(cpus, str) and _CPU_LIST.fullmatch(cpus) is None:
        yield f"reservedSystemCPUs: the kubelet cannot read {cpus!r}; it takes no spaces"
    for name in _CGROUPS:
        if cpus and content.get(name):
            yield f"reservedSystemCPUs cannot be used together with {name}"
    for name in _RESERVED:
        for resource in _map(content, name, where):
            if resource not in _RESERVABLE:
                yield f"{name}: {resource} cannot be reserved, only {', '.join(_RESERVABLE)}"
    if config.cpu_manager_policy == "static":
        yield from _gates(_map(content, "featureGates", where), config)
    if config.memory_manager_policy == "Static" and config.reserved_memory:
        yield from _memory(content, config, where)


def _gates(gates: Mapping[str, object], config: KubeletConfig) -> Iterator[str]:
    for option in config.cpu_manager_policy_options:
        if option in _GATED:
            gate, general, default = _GATED[option]
            if not gates.get(gate, gates.get(general, default)):
                yield f"cpuManagerPolicyOptions.{option} needs the feature gate {gate}, which is off in this file"


def _memory(content: Mapping[str, object], config: KubeletConfig, where: str) -> Iterator[str]:
    """Of every memory type, reservedMemory must sum up to exactly what is reserved otherwise."""
    stated: dict[str, int] = {}
    for entry in config.reserved_memory:
        for resource, amount in entry.limits.items():
            stated[resource] = stated.get(resource, 0) + amount
    wanted = _reserved_memory(content, where)
    for resource in sorted({_MEMORY, *stated}):
        expected = wanted if resource == _MEMORY else 0
        if expected is not None and stated.get(resource, 0) != expected:
            yield (
                f"reservedMemory is {_mebibytes(stated.get(resource, 0))} of {resource} in all, but kubeReserved, "
                f"systemReserved and evictionHard come to {_mebibytes(expected)}; they must be equal"
            )


def _reserved_memory(content: Mapping[str, object], where: str) -> int | None:
    """Bytes of plain memory that are reserved. None: a percentage, whose base is not in the file."""
    total = sum(_bytes(_map(content, name, where).get(_MEMORY, 0), f"{where}: {name}.memory") for name in _RESERVED)
    threshold: object = _EVICTION_DEFAULT
    if content.get("evictionHard") is not None:
        merged = content.get("mergeDefaultEvictionSettings") is True
        threshold = _map(content, "evictionHard", where).get(_EVICTION, _EVICTION_DEFAULT if merged else 0)
    if isinstance(threshold, str) and threshold.endswith("%"):
        # The kubelet takes both ends for "no threshold".
        return total if threshold in ("0%", "100%") else None
    return total + _bytes(threshold, f"{where}: evictionHard: {_EVICTION}")


def _map(content: Mapping[str, object], name: str, where: str) -> Mapping[str, object]:
    value = content.get(name) or {}
    if not isinstance(value, dict):
        raise BadObject(f"{where}: {name} is not an object")
    return value


def _bytes(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadObject(f"{where} is not a quantity")
    try:
        return whole(value)
    except BadObject as fault:
        raise BadObject(f"{where}: {fault}") from None


def _mebibytes(amount: int) -> str:
    return f"{amount / 2**20:g}Mi"
