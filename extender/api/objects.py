"""Records of API objects with the fields that are used; all other fields are skipped while decoding.

API versions: core/v1, topology.node.k8s.io/v1alpha2, kubevirt.io/v1. Fields have snake_case names here; no other module
knows the spelling of the JSON.
"""

from typing import Any

import msgspec

__all__ = [
    "Affinity",
    "Attribute",
    "Condition",
    "Container",
    "ContainerStatus",
    "Domain",
    "KubeVirt",
    "ManagedFields",
    "Meta",
    "Migration",
    "Node",
    "NodeResourceTopology",
    "NrtMeta",
    "Owner",
    "PermittedDevice",
    "Pod",
    "PodSpec",
    "PodStatus",
    "Quantity",
    "Resources",
    "Vmi",
    "Zone",
]

#: A quantity as it stands in JSON.
Quantity = str | int | float


class _Record(msgspec.Struct, rename="camel", frozen=True, omit_defaults=True, kw_only=True):
    """Base: camelCase in JSON, unknown fields skipped, absent fields get their default."""


class Owner(_Record, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    api_version: str = ""


class Meta(_Record, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[Owner] | None = None


class ManagedFields(_Record, frozen=True):
    """Who wrote which fields of an object, and when."""

    manager: str | None = None
    operation: str | None = None
    time: str | None = None
    fields_v1: dict[str, Any] | None = msgspec.field(default=None, name="fieldsV1")


class NrtMeta(Meta, frozen=True):
    """Of a report: how old it is shows in nothing else."""

    managed_fields: list[ManagedFields] | None = None


class Resources(_Record, frozen=True):
    requests: dict[str, Quantity] | None = None
    limits: dict[str, Quantity] | None = None


class Container(_Record, frozen=True):
    name: str = ""
    resources: Resources | None = None
    restart_policy: str | None = None


class SelectorRequirement(_Record, frozen=True):
    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class NodeSelectorTerm(_Record, frozen=True):
    match_expressions: list[SelectorRequirement] | None = None


class NodeSelector(_Record, frozen=True):
    terms: list[NodeSelectorTerm] | None = msgspec.field(default=None, name="nodeSelectorTerms")


class NodeAffinity(_Record, frozen=True):
    required: NodeSelector | None = msgspec.field(default=None, name="requiredDuringSchedulingIgnoredDuringExecution")


class Affinity(_Record, frozen=True):
    node_affinity: NodeAffinity | None = None


class PodSpec(_Record, frozen=True):
    node_name: str = ""
    scheduler_name: str = ""
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    overhead: dict[str, Quantity] | None = None
    #: Pod-level resources (KEP-2837).
    resources: Resources | None = None
    node_selector: dict[str, str] | None = None
    affinity: Affinity | None = None
    priority: int | None = None


class Condition(_Record, frozen=True):
    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None


class ContainerStatus(_Record, frozen=True):
    name: str = ""
    #: Requests that the kubelet has admitted; a resize in the spec changes nothing until they follow (KEP-1287).
    allocated_resources: dict[str, Quantity] | None = None


class PodStatus(_Record, frozen=True):
    phase: str = ""
    reason: str | None = None
    message: str | None = None
    qos_class: str | None = None
    start_time: str | None = None
    nominated_node_name: str | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class Pod(_Record, frozen=True):
    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class NodeInfo(_Record, frozen=True):
    kubelet_version: str = ""
    boot_id: str = msgspec.field(default="", name="bootID")


class NodeStatus(_Record, frozen=True):
    capacity: dict[str, Quantity] | None = None
    allocatable: dict[str, Quantity] | None = None
    node_info: NodeInfo = msgspec.field(default_factory=NodeInfo)
    conditions: list[Condition] | None = None


class Node(_Record, frozen=True):
    metadata: Meta = msgspec.field(default_factory=Meta)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class ZoneCost(_Record, frozen=True):
    name: str = ""
    value: int = 0


class ZoneResource(_Record, frozen=True):
    name: str = ""
    #: None: not published
    capacity: Quantity | None = None
    allocatable: Quantity | None = None
    available: Quantity | None = None


class Zone(_Record, frozen=True):
    name: str = ""
    type: str = ""
    parent: str = ""
    costs: list[ZoneCost] | None = None
    resources: list[ZoneResource] | None = None


class Attribute(_Record, frozen=True):
    name: str = ""
    value: str = ""


class NodeResourceTopology(_Record, frozen=True):
    metadata: NrtMeta = msgspec.field(default_factory=NrtMeta)
    topology_policies: list[str] | None = None
    attributes: list[Attribute] | None = None
    zones: list[Zone] | None = None
    #: not of the API: a field that could not be decoded, with its path
    unreadable: str = ""


class Numa(_Record, frozen=True):
    guest_mapping_passthrough: dict[str, Any] | None = None


class GuestCpu(_Record, frozen=True):
    sockets: int = 0
    cores: int = 0
    threads: int = 0
    max_sockets: int = 0
    dedicated_cpu_placement: bool = False
    isolate_emulator_thread: bool = False
    numa: Numa | None = None
    realtime: dict[str, Any] | None = None


class Hugepages(_Record, frozen=True):
    page_size: str = ""


class GuestMemory(_Record, frozen=True):
    guest: Quantity | None = None
    max_guest: Quantity | None = None
    hugepages: Hugepages | None = None


class IOThreads(_Record, frozen=True):
    supplemental_pool_thread_count: int | None = None


class Device(_Record, frozen=True):
    name: str = ""
    #: resource of a device plugin; empty for a device by resource claim (DRA)
    device_name: str = ""


class Interface(_Record, frozen=True):
    name: str = ""
    sriov: dict[str, Any] | None = None


class Devices(_Record, frozen=True):
    gpus: list[Device] | None = None
    host_devices: list[Device] | None = None
    interfaces: list[Interface] | None = None


class LaunchSecurity(_Record, frozen=True):
    sev: dict[str, Any] | None = None
    snp: dict[str, Any] | None = None
    tdx: dict[str, Any] | None = None


class Domain(_Record, frozen=True):
    cpu: GuestCpu | None = None
    memory: GuestMemory | None = None
    resources: Resources | None = None
    io_threads: IOThreads | None = msgspec.field(default=None, name="ioThreads")
    io_threads_policy: str | None = msgspec.field(default=None, name="ioThreadsPolicy")
    devices: Devices | None = None
    launch_security: LaunchSecurity | None = None


class HostDisk(_Record, frozen=True):
    shared: bool | None = None


class Volume(_Record, frozen=True):
    name: str = ""
    host_disk: HostDisk | None = None


class VmiSpec(_Record, frozen=True):
    scheduler_name: str = ""
    domain: Domain = msgspec.field(default_factory=Domain)
    volumes: list[Volume] | None = None


class MigrationState(_Record, frozen=True):
    migration_uid: str = ""
    source_node: str = ""
    target_node: str = ""
    source_pod: str = ""
    target_pod: str = ""
    completed: bool = False
    failed: bool = False
    abort_requested: bool = False
    abort_status: str = ""
    failure_reason: str = ""
    target_cpu_set: list[int] | None = msgspec.field(default=None, name="targetCPUSet")
    target_node_topology: str = ""


class Topology(_Record, frozen=True):
    sockets: int = 0
    cores: int = 0
    threads: int = 0


class MemoryStatus(_Record, frozen=True):
    guest_at_boot: Quantity | None = None
    guest_current: Quantity | None = None
    guest_requested: Quantity | None = None


class ClaimInfo(_Record, frozen=True):
    claim_name: str = ""
    access_modes: list[str] | None = None


class VolumeStatus(_Record, frozen=True):
    name: str = ""
    persistent_volume_claim_info: ClaimInfo | None = None


class VmiStatus(_Record, frozen=True):
    node_name: str = ""
    phase: str = ""
    conditions: list[Condition] | None = None
    migration_state: MigrationState | None = None
    current_cpu_topology: Topology | None = msgspec.field(default=None, name="currentCPUTopology")
    memory: MemoryStatus | None = None
    volume_status: list[VolumeStatus] | None = None


class Vmi(_Record, frozen=True):
    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: VmiSpec = msgspec.field(default_factory=VmiSpec)
    status: VmiStatus = msgspec.field(default_factory=VmiStatus)
    #: not of the API: a field that could not be decoded, with its path
    unreadable: str = ""


class MigrationSpec(_Record, frozen=True):
    vmi_name: str = ""
    receive: dict[str, Any] | None = None
    send_to: dict[str, Any] | None = None


class MigrationStatus(_Record, frozen=True):
    phase: str = ""
    migration_state: MigrationState | None = None


class Migration(_Record, frozen=True):
    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: MigrationSpec = msgspec.field(default_factory=MigrationSpec)
    status: MigrationStatus = msgspec.field(default_factory=MigrationStatus)


class DeveloperConfiguration(_Record, frozen=True):
    feature_gates: list[str] | None = None
    disabled_feature_gates: list[str] | None = None
    memory_overcommit: int | None = None


class LiveUpdateConfiguration(_Record, frozen=True):
    max_hotplug_ratio: int | None = None
    max_cpu_sockets: int | None = None


class PermittedDevice(_Record, frozen=True):
    resource_name: str = ""


class PermittedHostDevices(_Record, frozen=True):
    mediated_devices: list[PermittedDevice] | None = None
    usb: list[PermittedDevice] | None = None


class KubeVirtConfiguration(_Record, frozen=True):
    developer_configuration: DeveloperConfiguration | None = None
    live_update_configuration: LiveUpdateConfiguration | None = None
    vm_rollout_strategy: str = ""
    additional_guest_memory_overhead_ratio: str | None = None
    permitted_host_devices: PermittedHostDevices | None = None


class KubeVirtSpec(_Record, frozen=True):
    configuration: KubeVirtConfiguration = msgspec.field(default_factory=KubeVirtConfiguration)


class KubeVirt(_Record, frozen=True):
    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: KubeVirtSpec = msgspec.field(default_factory=KubeVirtSpec)
