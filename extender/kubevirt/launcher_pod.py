"""Recognises virt-launcher pods, and reads from a pod and its VMI what the VM needs of the node's zones.

Sources: pkg/virt-controller/services/template.go (labels, annotations, container order), renderresources.go (what
`compute` asks for) and pkg/virt-handler/vm.go (LiveMigratable, volumes), v1.9.0.
"""

from dataclasses import dataclass
from enum import StrEnum

from extender import names
from extender.api.objects import Affinity, Domain, Owner, Pod, Quantity, Resources, Vmi
from extender.api.quantity import whole
from extender.errors import BadObject
from extender.kubevirt.guest.size import GuestSize
from extender.kubevirt.renamed_labels import label_of, names_of

__all__ = [
    "COMPUTE",
    "Guest",
    "PodRole",
    "boots_guest",
    "controlling_vmi",
    "guest_of",
    "is_launcher",
    "role_of",
    "vmi_name",
    "wants_dedicated",
]

#: The container that runs the guest; KubeVirt keeps it first among spec.containers.
COMPUTE = "compute"


class PodRole(StrEnum):
    """What a pod is; explain shows the values."""

    OTHER = "not a virtual machine"
    FIRST_BOOT = "virtual machine, first boot"
    PROVISIONING = "virtual machine, ephemeral provisioning pod (stands for the VM)"
    MIGRATION_TARGET = "live-migration target"
    RUNNING = "running virtual machine"


@dataclass(frozen=True, slots=True)
class Guest:
    """A VM as its VMI states it. `pages` is the resource name of its huge pages, empty for none."""

    size: GuestSize
    pages: str
    dedicated: bool
    #: memory that its spec requests beside `memory.guest`; 0: none
    memory_request: int = 0
    #: guest memory up to which hotplug may go (maxGuest); 0: no memory hotplug
    max_memory: int = 0
    #: resource of each GPU and host device; empty for a device by resource claim (DRA)
    gpus: tuple[str, ...] = ()
    host_devices: tuple[str, ...] = ()
    #: whether it has an SR-IOV interface
    sriov: bool = False
    #: what in its spec keeps it on its host: encrypted memory, a local disk; empty: nothing
    bound_to_host: str = ""
    #: by the condition LiveMigratable: why it cannot migrate; empty: it can; None: there is no condition yet
    not_migratable: str | None = None


def is_launcher(pod: Pod) -> bool:
    """Whether the pod is a virt-launcher pod. Hotplug attachment pods have another value of the label."""
    labels = pod.metadata.labels
    return labels is not None and labels.get(names.LAUNCHER_LABEL) == names.LAUNCHER_VALUE


def role_of(pod: Pod) -> PodRole:
    """What the pod is. A bound pod with the migration label is a running VM: the label stays on the pod."""
    if not is_launcher(pod):
        return PodRole.OTHER
    if pod.spec.node_name:
        return PodRole.RUNNING
    if (pod.metadata.annotations or {}).get(names.EPHEMERAL_ANNOTATION) == "true":
        return PodRole.PROVISIONING
    annotations = pod.metadata.annotations or {}
    if names.MIGRATION_UID_LABEL in (pod.metadata.labels or {}) or (
        annotations.get(names.CREATE_TARGET_ANNOTATION) == "true"
    ):
        return PodRole.MIGRATION_TARGET
    return PodRole.FIRST_BOOT


def boots_guest(pod: Pod) -> bool:
    """Whether the VM boots in this pod: it is neither a live migration's target nor an ephemeral provisioning pod."""
    annotations = pod.metadata.annotations or {}
    return (
        is_launcher(pod)
        and names.MIGRATION_UID_LABEL not in (pod.metadata.labels or {})
        and "true" not in (annotations.get(names.CREATE_TARGET_ANNOTATION), annotations.get(names.EPHEMERAL_ANNOTATION))
    )


def controlling_vmi(pod: Pod) -> str:
    """UID of the VMI that controls the pod; empty when there is none."""
    owner = _controller(pod)
    return owner.uid if owner is not None else ""


def vmi_name(pod: Pod) -> str:
    """Name of the VMI that controls the pod, which its VM has too; empty when there is none."""
    owner = _controller(pod)
    return owner.name if owner is not None else ""


def _controller(pod: Pod) -> Owner | None:
    for owner in pod.metadata.owner_references or ():
        if owner.kind == "VirtualMachineInstance" and owner.controller:
            return owner
    return None


def wants_dedicated(pod: Pod, guest: Guest | None) -> bool:
    """Whether the VM has dedicatedCpuPlacement. If the VMI is not known, it shows in how the pod selects its node."""
    if guest is not None:
        return guest.dedicated
    selected = label_of(pod.spec.node_selector or {}, names.CPU_MANAGER_LABEL)
    return (selected is not None and selected[1] == "true") or _selects_cpu_manager(pod.spec.affinity)


def _selects_cpu_manager(affinity: Affinity | None) -> bool:
    """Whether every alternative of the required node affinity wants CPU Manager: KubeVirt 1.7 writes one per label name."""
    nodes = affinity.node_affinity if affinity is not None else None
    required = nodes.required if nodes is not None else None
    terms = (required.terms if required is not None else None) or ()
    keys = names_of(names.CPU_MANAGER_LABEL)
    return bool(terms) and all(
        any(
            each.key in keys and each.operator == "In" and each.values == ["true"]
            for each in term.match_expressions or ()
        )
        for term in terms
    )


def guest_of(vmi: Vmi) -> Guest:
    """The VM as its VMI states it. Raises BadObject on quantities that cannot be read.

    Zero factors of the topology are skipped, as in GetNumberOfVCPUs (pkg/util/hardware/hw_utils.go).
    """
    domain = vmi.spec.domain
    cpu, memory = domain.cpu, domain.memory
    page_size = memory.hugepages.page_size if memory is not None and memory.hugepages is not None else ""
    amount = memory.guest if memory is not None and memory.guest is not None else None
    if amount is None and domain.resources is not None:
        amount = _requested(domain.resources)
    pool = domain.io_threads.supplemental_pool_thread_count if domain.io_threads is not None else None
    devices = domain.devices
    parity = (vmi.metadata.annotations or {}).get(names.EVEN_PARITY_ANNOTATION)
    try:
        memory_bytes = whole(amount) if amount is not None else 0
        page_bytes = whole(page_size) if page_size else 0
        request = whole(asked) if (asked := _requested(domain.resources)) is not None else 0
    except BadObject as error:
        raise BadObject(f"VMI {vmi.metadata.namespace}/{vmi.metadata.name}: {error}") from error
    size = GuestSize(
        sockets=(cpu.sockets or 1) if cpu is not None else 1,
        cores=(cpu.cores or 1) if cpu is not None else 1,
        threads=(cpu.threads or 1) if cpu is not None else 1,
        memory_bytes=memory_bytes,
        page_bytes=page_bytes or None,
        isolate_emulator=cpu is not None and cpu.isolate_emulator_thread,
        passthrough=cpu is not None and cpu.numa is not None and cpu.numa.guest_mapping_passthrough is not None,
        even_parity=parity is not None,
        max_sockets=(cpu.max_sockets or None) if cpu is not None else None,
        supplemental_pool=max(0, pool or 0) if domain.io_threads_policy == "supplementalPool" else 0,
    )
    return Guest(
        size=size,
        pages=f"hugepages-{page_size}" if page_bytes else "",
        dedicated=cpu is not None and cpu.dedicated_cpu_placement,
        memory_request=request,
        max_memory=_max_memory(domain),
        gpus=tuple(device.device_name for device in (devices.gpus if devices is not None else None) or ()),
        host_devices=tuple(d.device_name for d in (devices.host_devices if devices is not None else None) or ()),
        sriov=any(nic.sriov is not None for nic in (devices.interfaces if devices is not None else None) or ()),
        bound_to_host=_bound_to_host(vmi),
        not_migratable=_not_migratable(vmi),
    )


def _max_memory(domain: Domain) -> int:
    """maxGuest of a VM whose memory can grow; 0: it cannot (ValidateLiveUpdateMemory, pkg/liveupdate/memory/memory.go), or
    the amount cannot be read: nothing is decided by it.
    """
    cpu, memory = domain.cpu, domain.memory
    mapped = cpu is not None and cpu.numa is not None and cpu.numa.guest_mapping_passthrough is not None
    fixed = mapped or domain.launch_security is not None or (cpu is not None and cpu.realtime is not None)
    if fixed or memory is None or memory.max_guest is None:
        return 0
    try:
        return whole(memory.max_guest)
    except BadObject:
        return 0


def _requested(resources: Resources | None) -> Quantity | None:
    """The memory that the spec requests, or limits where it requests none (WithMemoryRequests)."""
    if resources is None:
        return None
    return (resources.requests or {}).get("memory") or (resources.limits or {}).get("memory")


def _bound_to_host(vmi: Vmi) -> str:
    """Launch security, and disks that are not shared (checkVolumesForMigration), as far as the VMI shows them."""
    security = vmi.spec.domain.launch_security
    if security is not None:
        if security.sev is not None or security.snp is not None:
            return "a VM with SEV cannot migrate"
        return "a VM with TDX cannot migrate" if security.tdx is not None else "Secure Execution cannot migrate"
    claims = {volume.name: volume.persistent_volume_claim_info for volume in vmi.status.volume_status or ()}
    for volume in vmi.spec.volumes or ():
        claim = claims.get(volume.name)
        if claim is not None:
            if "ReadWriteMany" not in (claim.access_modes or ()):
                return "a disk is not shared (its claim lacks ReadWriteMany)"
        elif volume.host_disk is not None and not volume.host_disk.shared:
            return "a host disk is not shared"
    return ""


def _not_migratable(vmi: Vmi) -> str | None:
    for condition in vmi.status.conditions or ():
        if condition.type == "LiveMigratable":
            # The reason, not the message: messages name disks, and equal guests share one record.
            return "" if condition.status == "True" else f"KubeVirt says {condition.reason or 'so'}"
    return None
