"""Makes of a pod's demand the `Ask` that the kernel (`_fastfit`) answers: what its containers need of a node's
zones.
"""

from dataclasses import dataclass, replace

from _fastfit.codes import Code
from _fastfit.model import Ask, CellsAsk, ContainerAsk
from extender import names
from extender.api.objects import Pod
from extender.errors import BadObject
from extender.kubelet.pod import Kind, PodDemand, pod_demand
from extender.kubevirt.devices import strict_devices
from extender.kubevirt.guest.cpu_request import lacks_cpus
from extender.kubevirt.hugepages import page_demand
from extender.kubevirt.installation import Installation
from extender.kubevirt.launcher_pod import COMPUTE, Guest, PodRole, boots_guest, wants_dedicated
from extender.kubevirt.migration.policy import BootCells, MigrationPolicy, Move

__all__ = ["Question", "devices_of", "question_for", "question_of"]

_KINDS = {Kind.INIT: 0, Kind.SIDECAR: 1, Kind.APP: 2}
_HUGE = "hugepages-"
#: Pods that are made for the guest's size of now. A running VM's may be of before a memory hotplug.
_MADE_FOR_GUEST = (PodRole.FIRST_BOOT, PodRole.PROVISIONING)
_DEFAULTS = Installation()


@dataclass(frozen=True, slots=True)
class Question:
    """A pod's demand and the ask made of it.

    `ordinary`: nothing exclusive, no huge pages, no device with a zone; the pod fits on every node that kube-scheduler
    offers. `problem`: why the demand cannot be read; empty if it can.
    """

    demand: PodDemand
    ask: Ask
    ordinary: bool
    problem: str = ""

    @property
    def zoneless(self) -> bool:
        """Whether no zone rule applies: an ordinary pod, or one whose huge pages may lie in any zone.

        kube-scheduler compares their sum with the node's, and its own scores spread such pods.
        """
        return self.ordinary or _has_no_zone_rule(self.ask)


def question_of(
    pod: Pod,
    role: PodRole,
    guest: Guest | None,
    zoned_devices: frozenset[str],
    move: Move | None = None,
    last_layout: BootCells = (),
    installation: Installation = _DEFAULTS,
) -> Question:
    """The question of a pod.

    `move`: the migration whose target the pod is. `last_layout`: cells of the VM's last run, for a pod that boots it.
    `installation`: how KubeVirt is configured.

    The verdict is unknown on every node where amounts cannot be read, and for the target of a guest that is not known:
    the kubelet's rules do not tell whether libvirt accepts the guest there. Under the policy `off` the guest is
    ignored.
    """
    try:
        demand = pod_demand(pod)
    except BadObject as error:
        empty = PodDemand(pod.metadata.uid, False, False, ())
        return Question(empty, Ask(containers=(), ask_code=Code.DemandUnreadable), False, str(error))
    dedicated = wants_dedicated(pod, guest)
    boots = role is not PodRole.RUNNING or boots_guest(pod)
    return question_for(demand, role, guest, zoned_devices, dedicated, move, last_layout, installation, boots=boots)


def question_for(
    demand: PodDemand,
    role: PodRole,
    guest: Guest | None,
    zoned_devices: frozenset[str],
    dedicated: bool,
    move: Move | None = None,
    last_layout: BootCells = (),
    installation: Installation = _DEFAULTS,
    *,
    boots: bool = True,
) -> Question:
    """The question of a demand that could be read; see question_of. `boots`: of a running VM, whether it booted there."""
    fraction = next((container.fraction for container in demand.containers if container.fraction), "")
    if fraction:
        return Question(demand, Ask(containers=(), ask_code=Code.DemandUnreadable), False, fraction)
    ask = _ask_of(
        demand,
        role,
        guest,
        zoned_devices,
        dedicated=dedicated,
        move=move,
        last_layout=last_layout,
        installation=installation,
    )
    code = _pod_code(demand, role, guest, move, dedicated=dedicated, boots=boots)
    ask = replace(ask, ask_code=code) if code is not Code.Fits else ask
    ordinary = is_ordinary(ask)
    unknown = guest is None and move is not None and move.policy is not MigrationPolicy.OFF
    if unknown and ask.ask_code is Code.Fits:
        ask = replace(ask, ask_code=Code.MoverNotKnown)
    return Question(demand, ask, ordinary)


def devices_of(pod: Pod) -> frozenset[str]:
    """Extended resources in the pod's limits, without KubeVirt's own, which never have a zone."""
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
    last_layout: BootCells = (),
    installation: Installation = _DEFAULTS,
) -> Ask:
    """The ask of a demand. A device without zones constrains zones only where KubeVirt requires one
    (strict_devices).
    """
    cells = _cells(demand, role, guest, move, last_layout)
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
        pages=page_demand(demand),
    )


def _pod_code(
    demand: PodDemand, role: PodRole, guest: Guest | None, move: Move | None, *, dedicated: bool, boots: bool
) -> Code:
    """What holds on every node: the VM never starts in such a pod, or nobody can tell what the pod is given.

    A VM with dedicated CPUs is handed over by virt-controller only in a Guaranteed pod
    (pkg/virt-controller/watch/vmi/lifecycle.go); the target of a migration is not asked. There, and where `compute` asks
    for a fraction of a CPU, the launcher pins vCPUs to whatever CPUs the pod shares with others.
    """
    if dedicated and not demand.guaranteed and boots and role is not PodRole.MIGRATION_TARGET:
        return Code.NotGuaranteed
    if role in _MADE_FOR_GUEST and guest is not None and guest.pages and _too_few_pages(demand, guest):
        return Code.LauncherPagesShort
    if dedicated and demand.pod_level:
        return Code.PodLevelResources
    code = _launcher_code(demand, guest, move)
    ignored = move is not None and move.policy is MigrationPolicy.OFF
    if code is Code.Fits and dedicated and not ignored and not _compute_cpus(demand):
        return Code.NoExclusiveCpus
    return code


def _compute_cpus(demand: PodDemand) -> int:
    """Exclusive CPUs of `compute`; of a pod without a container of that name, all."""
    own = [part.exclusive_cpus for part in demand.containers if part.name == COMPUTE]
    return sum(own) if own else sum(part.exclusive_cpus for part in demand.containers)


def is_ordinary(ask: Ask) -> bool:
    """Whether the pod asks for no exclusive CPUs, no huge pages and no device with zones."""
    return not ask.pages and _has_no_zone_rule(ask)


def _has_no_zone_rule(ask: Ask) -> bool:
    if ask.ask_code is not Code.Fits:
        return False
    return not any(
        container.cpus or container.devices or any(name.startswith(_HUGE) for name, _ in container.memory)
        for container in ask.containers
    )


def _launcher_code(demand: PodDemand, guest: Guest | None, move: Move | None) -> Code:
    """Whether virt-launcher gets as many CPUs as it pins. KubeVirt prepares a migration's target as if the VM booted
    there.
    """
    if guest is None or not guest.dedicated or (move is not None and move.policy is MigrationPolicy.OFF):
        return Code.Fits
    given = (container.exclusive_cpus for container in demand.containers if container.name == COMPUTE)
    return Code.LauncherCpusShort if any(cpus and lacks_cpus(guest.size, cpus) for cpus in given) else Code.Fits


def _too_few_pages(demand: PodDemand, guest: Guest) -> bool:
    """Whether `compute` asks for fewer huge pages than the guest has memory.

    KubeVirt asks for the memory request where that is less (pkg/virt-controller/services/renderresources.go,
    WithHugePages, v1.9.0). QEMU touches every page of the guest at boot, and the kubelet limits the container to what it
    asks for.
    """
    compute = next((container for container in demand.containers if container.name == COMPUTE), None)
    if compute is None:
        return False
    asked = sum(amount for name, amount in (*compute.memory, *compute.pages) if name == guest.pages)
    return asked < guest.size.memory_bytes


def _cells(
    demand: PodDemand, role: PodRole, guest: Guest | None, move: Move | None, last_layout: BootCells
) -> CellsAsk | None:
    """What a guest with guestMappingPassthrough asks of zones: a boot makes its cells, a migration keeps them."""
    if guest is None or not guest.size.passthrough or not guest.pages:
        return None
    moving = 0
    if role is PodRole.MIGRATION_TARGET:
        if move is None or move.policy is MigrationPolicy.OFF:
            return None
        moving = min(move.sockets or guest.size.sockets, guest.size.sockets) * guest.size.cores
        cells = move.boot
    else:
        # A boot of another size cannot repeat them. Without them, VMs of one size share one ask and its answers.
        cells = last_layout if sum(vcpus for vcpus, _ in last_layout) == guest.size.vcpus else ()
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
