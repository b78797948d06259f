"""The host devices of a VM: which of them KubeVirt places strictly, and whether they keep the VM from migrating.

Strict placement (converter.go, pci-placement.go, v1.9.0): with gate PCINUMAAwareTopology a VM with dedicated CPUs and
guestMappingPassthrough boots only if the host zone of each PCI device (GPU, host device, SR-IOV VF; not mediated ones,
not USB) has a vCPU. A migration's target is converted without them, so there it is no rule.
Migration (virt-handler/vm.go, calculateLiveMigrationCondition): what the spec alone decides, in KubeVirt's order.
"""

from collections.abc import Iterable

from extender import names
from extender.kubevirt.installation import Installation
from extender.kubevirt.launcher_pod import Guest

__all__ = ["immovable", "strict_devices"]

_STRICT_GATE = "PCINUMAAwareTopology"
_GPU_GATE = "VGPULiveMigration"


def strict_devices(guest: Guest | None, asked: Iterable[str], installation: Installation) -> frozenset[str]:
    """Of the resources that `compute` asks for, those that a first boot needs in zones with a vCPU."""
    if guest is None or not (guest.dedicated and guest.size.passthrough):
        return frozenset()
    if not installation.gate(_STRICT_GATE, otherwise=False):
        return frozenset()
    listed = frozenset((*guest.gpus, *guest.host_devices))
    others = installation.mediated_devices | installation.usb_devices
    return frozenset(
        name
        for name in asked
        if not name.startswith(names.KUBEVIRT_DEVICE_PREFIX)
        # A VF's resource stands in its network, not in the VMI: it is what nothing else explains.
        and (name not in others if name in listed else guest.sriov)
    )


def immovable(guest: Guest, installation: Installation) -> str:
    """Why the VM cannot migrate live, wherever to; empty: nothing is known against it.

    What virt-handler says of a running VM counts; before that, what its spec shows.
    """
    if guest.movable is not None:
        return guest.movable
    if guest.host_devices:
        return "host devices cannot migrate"
    if len(guest.gpus) > 1:
        return "more than one GPU cannot migrate"
    if guest.gpus and not installation.gate(_GPU_GATE, otherwise=False):
        return f"a GPU migrates only with KubeVirt's gate {_GPU_GATE}"
    if guest.gpus and guest.gpus[0] not in installation.mediated_devices:
        return "a GPU that is not a mediated device cannot migrate"
    return guest.bound_to_host
