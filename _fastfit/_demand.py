"""What both kernels derive from an ask once, before they look at any row.

The effective request of a pod is that of KEP-753 (restartable init containers), as Kubernetes 1.33 to 1.37 compute it
in pkg/kubelet/cm/cpumanager/policy_static.go and memorymanager/policy_static.go for Topology Manager's scope `pod`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from _fastfit.codes import Code, ContainerKind
from _fastfit.model import MAX_ZONES, Ask, ContainerAsk

__all__ = ["MAX_CONTAINERS", "MAX_MEMORIES", "MAX_RESOURCES", "Demand", "derive"]

_MEMORY = "memory"
_PAGES = "hugepages-"
_MIB = 1 << 20
_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}

#: Limits of one ask; beyond them the verdict is TooManyResources on every node.
MAX_CONTAINERS = 64
MAX_RESOURCES = 8
#: Memory resources of a row that a verdict reads: those asked for, and the one that ranks.
MAX_MEMORIES = MAX_RESOURCES + 1

#: Largest CPU or device count and amount of bytes that an ask may name: more than any node has, and MAX_CONTAINERS of
#: them still add up in 64 bits.
_MAX_COUNT = 1 << 24
_MAX_AMOUNT = 1 << 56

_INIT, _SIDECAR, _APP = ContainerKind


@dataclass(frozen=True, slots=True)
class Demand:
    """An ask and its derived numbers. Resource tuples are sorted by name."""

    ask: Ask
    #: Fits, or the code that holds on every node
    code: Code
    memory_names: tuple[str, ...]
    device_names: tuple[str, ...]
    #: memory resources of which the pod asks more than nothing
    asked_memory: tuple[str, ...]
    #: huge-page sizes that must exist on the node
    page_names: tuple[str, ...]
    #: the pod as Topology Manager's scope `pod` sees it: one container
    pod: ContainerAsk
    #: container whose zones rank the node, and the resource whose leftover does, in units of rank_unit bytes
    main: int
    rank_name: str
    rank_unit: int
    #: the VM needs dedicated CPUs, or a container asks for exclusive ones: CPU Manager's policy decides
    wants_cpus: bool = False


def _page_bytes(resource: str) -> int:
    """Bytes of one page of `hugepages-2Mi`; 1 MiB where the name does not say."""
    text = resource.removeprefix(_PAGES)
    digits, unit = text[:-2], text[-2:]
    if digits.isascii() and digits.isdigit() and unit in _UNITS:
        return min(max(int(digits[:20]) * _UNITS[unit], 1), _MAX_AMOUNT)
    return _MIB


def _effective(amounts: Iterable[tuple[int, int]]) -> int:
    """The largest amount that runs at once (KEP-753). `amounts` are (kind, amount) in declared order."""
    sidecars = highest_init = apps = 0
    for kind, amount in amounts:
        if kind == _SIDECAR:
            sidecars += amount
        elif kind == _INIT:
            highest_init = max(highest_init, sidecars + amount)
        else:
            apps += amount
    return max(highest_init, sidecars + apps)


def _pod(ask: Ask, memory_names: tuple[str, ...], device_names: tuple[str, ...]) -> ContainerAsk:
    """The effective request of the whole pod. Memory Manager leaves out resources that only init containers ask for."""
    parts = ask.containers
    in_apps = {name for part in parts if part.kind == _APP for name, _ in part.memory}
    return ContainerAsk(
        kind=_APP,
        cpus=_effective((part.kind, part.cpus) for part in parts),
        memory=tuple(
            (name, _effective((part.kind, dict(part.memory).get(name, 0)) for part in parts))
            for name in memory_names
            if name in in_apps
        ),
        devices=tuple(
            (name, _effective((part.kind, dict(part.devices).get(name, 0)) for part in parts)) for name in device_names
        ),
    )


def _main(ask: Ask) -> int:
    """The main container: the one named, else the first with most exclusive CPUs, then most memory."""
    if ask.cells is not None:
        return ask.cells.container
    sizes = [(part.cpus, sum(amount for _, amount in part.memory)) for part in ask.containers]
    return sizes.index(max(sizes)) if sizes else 0


def _in_range(ask: Ask) -> bool:
    """Tell whether all numbers of an ask are in range and no name is given twice."""
    for part in ask.containers:
        names = [name for name, _ in (*part.memory, *part.devices)]
        counts = (part.cpus, *(count for _, count in part.devices))
        if (
            part.kind not in {_INIT, _SIDECAR, _APP}
            or len(set(names)) < len(names)
            or not all(0 <= count <= _MAX_COUNT for count in counts)
            or not all(0 <= amount <= _MAX_AMOUNT for _, amount in part.memory)
        ):
            return False
    if not all(0 <= amount <= _MAX_AMOUNT for _, amount in ask.pages):
        return False
    cells = ask.cells
    return cells is None or (
        0 <= cells.container < len(ask.containers)
        and 0 < cells.cores <= _MAX_COUNT
        and 0 < cells.threads <= _MAX_COUNT
        and 0 < cells.page_bytes <= _MAX_AMOUNT
        and 0 <= cells.memory_bytes <= _MAX_AMOUNT
        and 0 <= cells.moving <= cells.cores
        and len(cells.boot) <= MAX_ZONES
        and all(0 < vcpus <= _MAX_COUNT and 0 <= amount <= _MAX_AMOUNT for vcpus, amount in cells.boot)
        and {name for name, count in ask.containers[cells.container].devices if count}.issuperset(cells.strict)
    )


def derive(ask: Ask) -> Demand:
    """Derives what does not depend on a node. An ask beyond the limits gets its verdict here."""
    memory = sorted({name for part in ask.containers for name, _ in part.memory})
    devices = sorted({name for part in ask.containers for name, _ in part.devices})
    asked = {name for part in ask.containers for name, amount in part.memory if amount}
    # A request of zero asks for nothing; the kubelet notes it all the same, so it stays among the names.
    pages = [name for name in sorted(asked | {name for name, _ in ask.pages}) if name.startswith(_PAGES)]
    if ask.cells is not None and ask.cells.pages not in pages:
        pages.append(ask.cells.pages)
    code = ask.ask_code
    if code is Code.Fits and not _in_range(ask):
        code = Code.DemandUnreadable
    if code is Code.Fits and (
        len(ask.containers) > MAX_CONTAINERS or max(len(memory), len(devices), len(ask.pages)) > MAX_RESOURCES
    ):
        code = Code.TooManyResources
    if ask.cells is not None:
        rank_name, rank_unit = ask.cells.pages, max(ask.cells.page_bytes, 1)
    elif pages:
        rank_name, rank_unit = pages[0], _page_bytes(pages[0])
    else:
        rank_name, rank_unit = _MEMORY, _MIB
    names, device_names = tuple(memory), tuple(devices)
    return Demand(
        ask=ask,
        code=code,
        memory_names=names,
        device_names=device_names,
        asked_memory=tuple(name for name in memory if name in asked),
        page_names=tuple(sorted(pages)),
        pod=_pod(ask, names, device_names),
        main=_main(ask),
        rank_name=rank_name,
        rank_unit=rank_unit,
        wants_cpus=ask.dedicated or any(part.cpus for part in ask.containers),
    )
