"""The size of a guest: what KubeVirt v1.9.0 reads from a VirtualMachineInstance before it pins vCPUs."""

from dataclasses import dataclass

__all__ = ["GuestSize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSize:
    """The size in the VM's spec now; in a hotplug migration this is the new size.

    Counts are at least 1 where a spec may say 0: KubeVirt reads a missing factor as 1.
    """

    sockets: int
    cores: int = 1
    threads: int = 1
    #: guest memory in whole bytes
    memory_bytes: int
    #: size of the huge pages that back the guest; None: no huge pages
    page_bytes: int | None = None
    #: spec.domain.cpu.isolateEmulatorThread
    isolate_emulator: bool = False
    #: spec.domain.cpu.numa.guestMappingPassthrough
    passthrough: bool = False
    #: annotation alpha.kubevirt.io/EmulatorThreadCompleteToEvenParity
    even_parity: bool = False
    #: sockets up to which hotplug may go; None: no hotplug. Never a demand for CPUs.
    max_sockets: int | None = None
    #: IO threads of a supplemental pool, one CPU each
    supplemental_pool: int = 0
    #: IO threads of the other policies, which get no CPU of their own; None: the VM has none
    io_threads: int | None = None
    #: the guest's memory is shared with another process (virtiofs, a passt network)
    shared_memory: bool = False

    @property
    def socket_vcpus(self) -> int:
        """vCPUs of one socket."""
        return self.cores * self.threads

    @property
    def vcpus(self) -> int:
        """vCPUs of the spec (GetNumberOfVCPUs, pkg/util/hardware/hw_utils.go)."""
        return self.sockets * self.socket_vcpus

    @property
    def max_vcpus(self) -> int:
        """vCPUs of the domain, including those that hotplug may add (CalculateRequestedVCPUs,
        converter/vcpu/vcpu.go).
        """
        return (self.max_sockets or self.sockets) * self.socket_vcpus

    @property
    def enabled_sockets(self) -> int:
        """Sockets that a boot pins."""
        return min(self.sockets, self.max_sockets or self.sockets)
