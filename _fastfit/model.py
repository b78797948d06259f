"""What goes into the kernel: rows (what a node has, as counts) and asks (what a pod wants).

Both are plain values. The compiled kernel copies them into flat arrays, the plain kernel keeps them.
Zones are in ascending order of zone id. A mask has bit i set for the zone at position i.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from _fastfit.codes import Code, Mode, Policy, Scope

__all__ = ["MAX_CELLS", "MAX_NAME", "MAX_SET_ZONES", "MAX_ZONES", "Ask", "CellsAsk", "ContainerAsk", "Row", "ZoneRow"]

#: Zones of a row the kernel can judge; a node with more gets the verdict TooManyZones. Masks have 32 bits.
MAX_ZONES = 31
#: The same where sets of zones are tried, by Topology Manager or a static Memory Manager.
MAX_SET_ZONES = 16
#: Cells of a guest that are written down and believed.
MAX_CELLS = 16
#: Bytes of the longest node name (a DNS subdomain).
MAX_NAME = 253


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """One host NUMA node, as counts. Memory in bytes, keys as resource names (memory, hugepages-1Gi)."""

    id: int
    socket: int
    #: all CPUs of the zone, reserved ones included (decides hint width)
    cpu_total: int
    #: CPUs that can be given now: free and not reserved
    cpu_free: int
    #: physical cores all of whose CPUs are in cpu_free
    cores_free: int
    #: Memory Manager's own accounting; empty where its policy is None
    memory_allocatable: Mapping[str, int] = field(default_factory=dict)
    memory_free: Mapping[str, int] = field(default_factory=dict)
    #: assigned blocks of the zone, and the mask of its group (its own bit when alone)
    blocks: int = 0
    group: int = 0
    #: bytes of huge pages per resource name that are free for certain; None: not known
    pages_free: Mapping[str, int] | None = None
    #: bytes that may be free at most, where pods hold pages of zones that are not known; None: as pages_free
    pages_most: Mapping[str, int] | None = None
    #: devices with this zone: all known, and free
    device_total: Mapping[str, int] = field(default_factory=dict)
    device_free: Mapping[str, int] = field(default_factory=dict)
    #: reserved CPUs of the zone; with cpu_total it says what the zone could give if it were empty
    cpu_reserved: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A node as the kernel sees it at one generation."""

    name: str
    zones: tuple[ZoneRow, ...] = ()
    #: zone distances by position; empty: not known
    distances: tuple[tuple[int, ...], ...] = ()
    policy: Policy = Policy.NONE
    scope: Scope = Scope.CONTAINER
    prefer_closest: bool = False
    cpu_static: bool = False
    #: whether CPU Manager's policy is known at all; if not, `cpu_static` is False
    cpu_policy_known: bool = True
    memory_static: bool = False
    #: whether Memory Manager is on is not known: the verdict must hold both ways. With memory_static its accounting, if
    #: it is on, is that of the zones; without, nothing is known of it
    memory_open: bool = False
    full_pcpus_only: bool = False
    align_by_socket: bool = False
    spread: bool = False
    distribute: bool = False
    uncore: bool = False
    #: cores or sockets have unequal numbers of CPUs, so that the kubelet's averages are the size of none of them
    uneven: bool = False
    #: devices are hinted on sets of any zones, not only of those that have such devices (kubelets before 1.36)
    devices_every_zone: bool = False
    threads_per_core: int = 1
    #: CPUs that count for full-pcpus-only: in the shared pool and on a core without a reserved CPU
    physical_free: int = 0
    #: Huge-page sizes the whole node offers (resource names); a size asked for and absent refuses the node
    page_sizes: frozenset[str] = frozenset()
    #: bytes of huge pages per resource name that no pod holds, in all zones together; not listed: not known
    pages_together: Mapping[str, int] = field(default_factory=dict)
    #: Fits, or the unknown/refused code that holds for every pod with a zone demand
    node_code: Code = Code.Fits
    mode: Mode = Mode.ENFORCE
    #: what each unknown code does under Mode.ENFORCE, see codes.pack_actions()
    actions: int = 0


@dataclass(frozen=True, slots=True)
class ContainerAsk:
    """One container, in kubelet order (init containers first). `kind`: a ContainerKind."""

    kind: int
    #: exclusive CPUs (0: shared pool)
    cpus: int
    #: bytes per memory resource that Memory Manager pins; empty unless the pod is Guaranteed
    memory: tuple[tuple[str, int], ...] = ()
    #: extended resources that may have zones
    devices: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class CellsAsk:
    """What KubeVirt demands of the zones when the guest sees the host's NUMA (guestMappingPassthrough)."""

    #: index of the compute container in Ask.containers
    container: int
    #: guest cores (sockets x cores) and threads per guest core
    cores: int
    threads: int
    #: resource name of the guest's pages, page size and guest memory in bytes
    pages: str
    page_bytes: int
    memory_bytes: int
    #: guest cores that are pinned while the VM moves here by live migration (hotplug: those before it); 0: a boot
    moving: int = 0
    #: (vCPUs, bytes) by cell id: of a moving guest its cells, which its boot fixed; of a boot the VM's last layout;
    #: empty: not known
    boot: tuple[tuple[int, int], ...] = ()
    #: refuse targets on which the vCPUs per cell differ from the boot's (where `boot` is known)
    symmetric_only: bool = False
    #: devices of the compute container that must be in zones with a vCPU, or the VM does not start (KubeVirt's PCI
    #: placement)
    strict: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """The zone demand of a pod. Equal asks share all answers of one generation."""

    containers: tuple[ContainerAsk, ...]
    #: the VM needs dedicated CPUs: a node without CPU Manager static refuses it
    dedicated: bool = False
    cells: CellsAsk | None = None
    #: Fits, or the code that holds on every node (pod-level resources, unreadable demand, a VM that never starts)
    ask_code: Code = Code.Fits
    #: bytes of huge pages that the whole pod holds at one time, those that nothing pins to a zone included
    pages: tuple[tuple[str, int], ...] = ()
