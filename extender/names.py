"""Names that are API: annotations, labels, ConfigMaps, the scheduler's name. No other module spells them out."""

from typing import Final

#: The scheduler that deploy/ installs; VMs opt in with `schedulerName: fastfit`.
SCHEDULER_NAME: Final = "fastfit"

#: Prefix of our annotations, and the API group of our own objects.
PREFIX: Final = "fastfit.dev"
API_VERSION: Final = f"{PREFIX}/v1alpha1"
CONFIG_KIND: Final = "FastfitConfiguration"
SNAPSHOT_KIND: Final = "FastfitSnapshot"

#: Annotations of a Node that state what NodeResourceTopology does not show.
#: Values are JSON: the `kubelet` and `machine` objects of the golden format.
KUBELET_ANNOTATION: Final = f"{PREFIX}/kubelet"
MACHINE_ANNOTATION: Final = f"{PREFIX}/machine"

#: Annotation of a VM (copied by KubeVirt to its pods): strict, prefer or off.
MIGRATION_ANNOTATION: Final = f"{PREFIX}/migration"

#: Annotation of a VirtualMachineInstance, written by us: the guest cells that it booted with
#: (kubevirt/migration/cells_annotation.py).
CELLS_ANNOTATION: Final = f"{PREFIX}/guest-cells"

#: The namespace of deploy/, if a kubeconfig names no other.
NAMESPACE: Final = "fastfit"

#: The ConfigMaps of the last layouts (cache/vms/layout_entry.py): this, then the first digit of the VM's UID.
LAYOUTS_CONFIG_MAP: Final = "fastfit-layouts-"

#: Label of a namespace whose VMs the opt-in policy hands to our scheduler.
OPT_IN_LABEL: Final = f"{PREFIX}/opt-in"

#: Prefix of every metric.
METRIC_PREFIX: Final = "fastfit"

# --- names of KubeVirt and other projects -------------------------------------------------------------------------

#: KubeVirt's own device resources (kvm, tun, vhost-net ...); its plugins report no zones for them.
KUBEVIRT_DEVICE_PREFIX: Final = "devices.kubevirt.io/"

LAUNCHER_LABEL: Final = "kubevirt.io"
LAUNCHER_VALUE: Final = "virt-launcher"
CREATED_BY_LABEL: Final = "kubevirt.io/created-by"
NODE_NAME_LABEL: Final = "kubevirt.io/nodeName"
MIGRATION_UID_LABEL: Final = "kubevirt.io/migrationJobUID"
MIGRATION_NAME_ANNOTATION: Final = "kubevirt.io/migrationJobName"
EPHEMERAL_ANNOTATION: Final = "kubevirt.io/ephemeral-provisioning"
CREATE_TARGET_ANNOTATION: Final = "kubevirt.io/create-migration-target"
SCHEDULABLE_LABEL: Final = "kubevirt.io/schedulable"
#: An older name of it, and of others: extender/kubevirt/renamed_labels.py.
CPU_MANAGER_LABEL: Final = "kubevirt.io/cpumanager"
OLD_CPU_MANAGER_LABEL: Final = "cpumanager"
VMI_ID_LABEL: Final = "vmi.kubevirt.io/id"
OLD_VMI_ID_LABEL: Final = "vm.kubevirt.io/name"
MULTITHREADING_LABEL: Final = "feature.node.kubernetes.io/cpu-hardware_multithreading"
INSTANCETYPE_ANNOTATIONS: Final = ("kubevirt.io/cluster-instancetype-name", "kubevirt.io/instancetype-name")
EVEN_PARITY_ANNOTATION: Final = "alpha.kubevirt.io/EmulatorThreadCompleteToEvenParity"
