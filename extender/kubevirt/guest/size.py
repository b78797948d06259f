"""What KubeVirt reads from a VirtualMachineInstance before it pins vCPUs: the size of the guest."""

from dataclasses import dataclass

__all__ = ["GuestSize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSize:
    """A VM with dedicated CPUs, as its spec says it now (in a hotplug migration: the new size).

    Counts are at least 1 where a spec may say 0: KubeVirt reads a missing factor as 1.
    """

    sockets: int
    cores: int = 1
    threads: int = 1
    #: guest memory, whole bytes (a fraction of a byte is dropped)
    memory_bytes: int
    #: size of the huge pages that back the guest; None: no huge pages
    page_bytes: int | None = None
    #: spec.domain.cpu.isolateEmulatorThread
    isolate_emulator: bool = False
    #: spec.domain.cpu.numa.guestMappingPassthrough
    passthrough: bool = False
    #: annotation alpha.kubevirt.io/EmulatorThreadCompleteToEvenParity
    even_parity: bool = False
    #: sockets that hotplug may reach; None: no hotplug. Never a demand for CPUs.
    max_sockets: int | None = None
    #: IO threads of a supplemental pool, one CPU each
    supplemental_pool: int = 0
    #: IO threads of the other policies, which get no CPU of their own; None: the VM has none
    io_threads: int | None = None
    #: virtiofs or a passt network: the guest's memory is shared with another process
    shared_memory: bool = False

    @property
    def socket_vcpus(self) -> int:
        """vCPUs of one socket."""
        return self.cores * self.threads

    @property
    def vcpus(self) -> int:
        """vCPUs that run now (GetNumberOfVCPUs)."""
        return self.sockets * self.socket_vcpus

    @property
    def max_vcpus(self) -> int:
        """vCPUs of the domain, those included that hotplug may add (CalculateRequestedVCPUs)."""
        return (self.max_sockets or self.sockets) * self.socket_vcpus

    @property
    def enabled_sockets(self) -> int:
        """Sockets that a first boot pins."""
        return min(self.sockets, self.max_sockets or self.sockets)
