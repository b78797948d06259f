"""What the KubeVirt object says of the installation: feature gates, limits of CPU hotplug, host devices.

Without the object (no KubeVirt, or RBAC forbids reading it) KubeVirt's documented defaults hold, and `known` is False.
Rules: pkg/virt-config/virt-config.go and featuregate/feature-gates.go, v1.9.0.
"""

from dataclasses import dataclass

from extender.api.objects import KubeVirt, PermittedDevice

__all__ = ["Installation", "installation_of"]

#: KubeVirt's default of maxHotplugRatio (DefaultMaxHotplugRatio).
_RATIO = 4
#: and of memoryOvercommit (DefaultMemoryOvercommit)
_OVERCOMMIT = 100


@dataclass(frozen=True, slots=True)
class Installation:
    """The part of KubeVirt's configuration that matters for zones and migration."""

    #: gates named in featureGates and disabledFeatureGates
    enabled: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()
    #: sockets a VM may grow to, as a multiple of those it has, where it states no maxSockets; 1: no CPU hotplug
    max_hotplug_ratio: int = _RATIO
    #: cluster-wide maxSockets, before the ratio; None: not set
    max_cpu_sockets: int | None = None
    #: vmRolloutStrategy: with Stage nothing is hot-plugged, and VMs get no maxSockets
    live_update: bool = True
    #: guest memory in percent of what a pod requests for it, where the VM states no request
    memory_overcommit: int = _OVERCOMMIT
    #: additionalGuestMemoryOverheadRatio: what the overhead of each VM is multiplied with
    overhead_ratio: float = 1.0
    #: resources of permittedHostDevices that are mediated devices, and USB ones: neither is a PCI device to the guest
    mediated_devices: frozenset[str] = frozenset()
    usb_devices: frozenset[str] = frozenset()
    #: False: no KubeVirt object was seen, and everything here is a default
    known: bool = False

    def gate(self, name: str, *, default: bool) -> bool:
        """Whether a gate is on (IsEnabled): enabled by name, else disabled by name, else `default`.

        `default` is on for Beta, off for Alpha. A GA gate cannot be switched and must not be asked for.
        """
        if name in self.enabled:
            return True
        return name not in self.disabled and default


def installation_of(record: KubeVirt) -> Installation:
    """Reads the object. A ratio or a maximum below 1 counts as not set, as 0 does in KubeVirt."""
    configuration = record.spec.configuration
    developer, live = configuration.developer_configuration, configuration.live_update_configuration
    ratio = live.max_hotplug_ratio if live is not None else None
    devices = configuration.permitted_host_devices
    most = live.max_cpu_sockets if live is not None else None
    overcommit = developer.memory_overcommit if developer is not None else None
    return Installation(
        enabled=frozenset((developer.feature_gates if developer is not None else None) or ()),
        disabled=frozenset((developer.disabled_feature_gates if developer is not None else None) or ()),
        max_hotplug_ratio=ratio if ratio is not None and ratio > 0 else _RATIO,
        max_cpu_sockets=most if most is not None and most > 0 else None,
        live_update=configuration.vm_rollout_strategy in ("", "LiveUpdate"),
        memory_overcommit=overcommit if overcommit is not None and overcommit > 0 else _OVERCOMMIT,
        overhead_ratio=_number(configuration.additional_guest_memory_overhead_ratio),
        mediated_devices=_resources(devices.mediated_devices if devices is not None else None),
        usb_devices=_resources(devices.usb if devices is not None else None),
        known=True,
    )


def _number(text: str | None) -> float:
    """A ratio; 1 where there is none, or KubeVirt could not read it either."""
    try:
        ratio = float(text or "1")
    except ValueError:
        return 1.0
    return ratio if 0 < ratio < float("inf") else 1.0


def _resources(devices: list[PermittedDevice] | None) -> frozenset[str]:
    return frozenset(device.resource_name for device in devices or ())
