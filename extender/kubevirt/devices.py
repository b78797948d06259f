"""The host devices of a VM: which of them need a zone with a vCPU, and what keeps the VM from migrating (v1.9.0).

Zones (pkg/virt-launcher/virtwrap/converter/converter.go and pci-placement.go): with the gate PCINUMAAwareTopology a VM
with dedicated CPUs and guestMappingPassthrough boots only if the host zone of each PCI device has a vCPU. PCI devices
are GPUs, host devices and SR-IOV VFs; mediated devices and USB devices are not. A migration's target is converted
without the devices, so the rule does not apply there.

Migration (pkg/virt-handler/vm.go, calculateLiveMigrationCondition): what the spec alone decides, in KubeVirt's order.
"""

from collections.abc import Iterable

from extender import names
from extender.kubevirt.installation import Installation
from extender.kubevirt.launcher_pod import Guest

__all__ = ["immovable", "strict_devices"]

_STRICT_GATE = "PCINUMAAwareTopology"
_GPU_GATE = "VGPULiveMigration"


def strict_devices(guest: Guest | None, asked: Iterable[str], installation: Installation) -> frozenset[str]:
    """Of the resources that `compute` asks for, those that a boot needs in zones with a vCPU."""
    if guest is None or not (guest.dedicated and guest.size.passthrough):
        return frozenset()
    if not installation.gate(_STRICT_GATE, default=False):
        return frozenset()
    listed = frozenset((*guest.gpus, *guest.host_devices))
    others = installation.mediated_devices | installation.usb_devices
    return frozenset(
        name
        for name in asked
        if not name.startswith(names.KUBEVIRT_DEVICE_PREFIX)
        # The network names the resource of a VF, not the VMI: what the VMI lists nowhere is taken for a VF's.
        and (name not in others if name in listed else guest.sriov)
    )


def immovable(guest: Guest, installation: Installation) -> str:
    """Why the VM cannot migrate live to any node; empty: nothing is known against it.

    The condition that virt-handler sets on a running VM counts; before there is one, the spec.
    """
    if guest.not_migratable is not None:
        return guest.not_migratable
    if guest.host_devices:
        return "host devices cannot migrate"
    if len(guest.gpus) > 1:
        return "more than one GPU cannot migrate"
    if guest.gpus and not installation.gate(_GPU_GATE, default=False):
        return f"a GPU migrates only with KubeVirt's gate {_GPU_GATE}"
    if guest.gpus and guest.gpus[0] not in installation.mediated_devices:
        return "a GPU that is not a mediated device cannot migrate"
    return guest.bound_to_host
