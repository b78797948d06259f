"""From a launcher pod to the kernel's question: what its containers need of a node's zones."""

from dataclasses import dataclass, replace

from _fastfit.codes import Code
from _fastfit.model import Ask, CellsAsk, ContainerAsk
from extender import names
from extender.api.objects import Pod
from extender.errors import BadObject
from extender.kubelet.pod import Kind, PodDemand, pod_demand
from extender.kubevirt.devices import strict_devices
from extender.kubevirt.guest.cpu_request import lacks_cpus
from extender.kubevirt.installation import Installation
from extender.kubevirt.launcher_pod import COMPUTE, Guest, PodRole, wants_dedicated
from extender.kubevirt.migration.policy import BootCells, MigrationPolicy, Move

__all__ = ["Question", "devices_of", "question_for", "question_of"]

_KINDS = {Kind.INIT: 0, Kind.SIDECAR: 1, Kind.APP: 2}
_HUGE = "hugepages-"
_DEFAULTS = Installation()


@dataclass(frozen=True, slots=True)
class Question:
    """A pod's demand, and the ask made of it. `ordinary` pods fit wherever kube-scheduler says."""

    demand: PodDemand
    ask: Ask
    ordinary: bool
    problem: str = ""


def question_of(
    pod: Pod,
    role: PodRole,
    guest: Guest | None,
    zoned_devices: frozenset[str],
    move: Move | None = None,
    former: BootCells = (),
    installation: Installation = _DEFAULTS,
) -> Question:
    """The question of a pod; `move` of a live-migration target, `former` the cells of the run before a boot.

    `installation`: how KubeVirt is configured.

    Amounts that cannot be read, and a target of a guest that is not known, give an ask that is unknown on every node:
    whether the guest survives there is not the kubelet's to say. With the policy `off` nobody asks about the guest.
    """
    try:
        demand = pod_demand(pod)
    except BadObject as error:
        empty = PodDemand(pod.metadata.uid, False, False, ())
        return Question(empty, Ask(containers=(), ask_code=Code.DemandUnreadable), False, str(error))
    dedicated = wants_dedicated(pod, guest)
    return question_for(demand, role, guest, zoned_devices, dedicated, move, former, installation)


def question_for(
    demand: PodDemand,
    role: PodRole,
    guest: Guest | None,
    zoned_devices: frozenset[str],
    dedicated: bool,
    move: Move | None = None,
    former: BootCells = (),
    installation: Installation = _DEFAULTS,
) -> Question:
    """The question of a demand that could be read."""
    ask = _ask_of(
        demand,
        role,
        guest,
        zoned_devices,
        dedicated=dedicated,
        move=move,
        former=former,
        installation=installation,
    )
    ordinary = is_ordinary(ask)
    unknown = guest is None and move is not None and move.policy is not MigrationPolicy.OFF
    if unknown and ask.ask_code is Code.Fits:
        ask = replace(ask, ask_code=Code.MoverNotKnown)
    return Question(demand, ask, ordinary)


def devices_of(pod: Pod) -> frozenset[str]:
    """Extended resources in the pod's limits, less KubeVirt's own, which never have a zone."""
    containers = (*(pod.spec.init_containers or ()), *(pod.spec.containers or ()))
    limits = [container.resources.limits or {} for container in containers if container.resources is not None]
    return frozenset(
        name for each in limits for name in each if "/" in name and not name.startswith(names.KUBEVIRT_DEVICE_PREFIX)
    )


def _ask_of(
    demand: PodDemand,
    role: PodRole,
    guest: Guest | None,
    zoned_devices: frozenset[str],
    *,
    dedicated: bool,
    move: Move | None = None,
    former: BootCells = (),
    installation: Installation = _DEFAULTS,
) -> Ask:
    """The ask of a demand. Devices without zones constrain a zone only where KubeVirt demands one; its own never do."""
    cells = _cells(demand, role, guest, move, former)
    if cells is not None and not cells.moving:
        asked = [name for name, _ in demand.containers[cells.container].devices]
        strict = strict_devices(guest, asked, installation)
        cells, zoned_devices = replace(cells, strict=tuple(sorted(strict))), zoned_devices | strict
    containers = tuple(
        ContainerAsk(
            kind=_KINDS[container.kind],
            cpus=0 if demand.pod_level else container.exclusive_cpus,
            memory=() if demand.pod_level else container.memory,
            devices=tuple((name, count) for name, count in container.devices if name in zoned_devices),
        )
        for container in demand.containers
    )
    return Ask(
        containers=containers,
        dedicated=dedicated,
        cells=cells,
        ask_code=Code.PodLevelResources if demand.pod_level and dedicated else _launcher_code(demand, guest, move),
    )


def is_ordinary(ask: Ask) -> bool:
    """Nothing exclusive, no huge pages, no zoned device: no zone rule applies."""
    if ask.ask_code is not Code.Fits:
        return False
    return not any(
        container.cpus or container.devices or any(name.startswith(_HUGE) for name, _ in container.memory)
        for container in ask.containers
    )


def _launcher_code(demand: PodDemand, guest: Guest | None, move: Move | None) -> Code:
    """Whether virt-launcher gets the CPUs that it pins; a migration's target is prepared as if the VM booted there."""
    if guest is None or not guest.dedicated or (move is not None and move.policy is MigrationPolicy.OFF):
        return Code.Fits
    given = (container.exclusive_cpus for container in demand.containers if container.name == COMPUTE)
    return Code.LauncherCpusShort if any(cpus and lacks_cpus(guest.size, cpus) for cpus in given) else Code.Fits


def _cells(
    demand: PodDemand, role: PodRole, guest: Guest | None, move: Move | None, former: BootCells
) -> CellsAsk | None:
    """What guests that see the host's NUMA ask of its zones: cells made by a boot, or kept from it in a migration."""
    if guest is None or not guest.size.passthrough or not guest.pages:
        return None
    moving = 0
    if role is PodRole.MIGRATION_TARGET:
        if move is None or move.policy is MigrationPolicy.OFF:
            return None
        moving = min(move.sockets or guest.size.sockets, guest.size.sockets) * guest.size.cores
        cells = move.boot
    else:
        # Cells of another size cannot be met again; without them the VM shares the answers of its equals.
        cells = former if sum(vcpus for vcpus, _ in former) == guest.size.vcpus else ()
    for position, container in enumerate(demand.containers):
        if container.name == COMPUTE and container.exclusive_cpus:
            return CellsAsk(
                container=position,
                cores=guest.size.sockets * guest.size.cores,
                threads=guest.size.threads,
                pages=guest.pages,
                page_bytes=guest.size.page_bytes or 1,
                memory_bytes=guest.size.memory_bytes,
                moving=moving,
                boot=cells,
                symmetric_only=moving > 0 and move is not None and move.policy is MigrationPolicy.STRICT,
            )
    return None
