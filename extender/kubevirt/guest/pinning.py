"""Which host CPU each vCPU, IO thread and emulator thread gets: KubeVirt's CPU pool.

Source: pkg/virt-launcher/virtwrap/converter/vcpu/vcpu.go, v1.9.0. Names in brackets are its functions.

The pool goes through the host's cells in the order of libvirt's capabilities and assigns threads greedily, without
balancing: low vCPU numbers get CPUs of the first cell. A guest core takes `threads` host threads:

1. of one host core; its other threads become fragments of the cell once no further guest core fits into them,
2. else of the fragments of one cell,
3. else, only if relaxed, of the fragments of any cells.

strict = guestMappingPassthrough, relaxed = dedicated CPUs without it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from extender.kubevirt.guest.domain import GuestError, GuestFault
from extender.kubevirt.guest.host_topology import HostTopology

__all__ = ["CpuPool", "emulator_threads", "shared_io_threads", "supplemental_io_threads"]

_NO_THREAD = "no remaining unassigned threads"


class CellThreads:
    """What is free in one host cell: full cores (with enough threads for a guest core) and fragments (single
    threads).
    """

    def __init__(self, cores: Iterable[tuple[int, ...]], threads_per_core: int) -> None:
        self._threads_per_core = threads_per_core
        self._full: deque[tuple[int, ...]] = deque()
        self._fragments: deque[int] = deque()
        for core in cores:
            if len(core) >= threads_per_core:
                self._full.append(core)
            else:
                self._fragments.extend(core)

    def take_from_full_core(self) -> Sequence[int]:
        """A guest core of the first full host core, or nothing (GetNotFragmentedThreads)."""
        return self._split_first_core(self._threads_per_core) if self._full else ()

    def take_from_fragments(self) -> Sequence[int]:
        """A guest core of the fragments, or nothing (GetFragmentedThreads)."""
        if self._threads_per_core > len(self._fragments):
            return ()
        return self.take_fragments_up_to(self._threads_per_core)

    def take_fragments_up_to(self, wanted: int) -> Sequence[int]:
        """Up to `wanted` fragments (GetFragmentedThreadsUpTo)."""
        return [self._fragments.popleft() for _ in range(min(wanted, len(self._fragments)))]

    def take_thread(self) -> Sequence[int]:
        """One thread, a fragment if there is one, else of a full core; or nothing (GetThread)."""
        if self._fragments:
            return self.take_fragments_up_to(1)
        return self._split_first_core(1) if self._full else ()

    def _split_first_core(self, wanted: int) -> Sequence[int]:
        core = self._full[0]
        left = core[wanted:]
        if len(left) >= self._threads_per_core:
            self._full[0] = left
        else:
            self._full.popleft()
            self._fragments.extend(left)
        return core[:wanted]


class CpuPool:
    """The CPUs of a cpuset, to be assigned in KubeVirt's order: vCPUs, then IO threads, then the emulator."""

    def __init__(
        self, topology: HostTopology, cpuset: Sequence[int], cores: int, threads: int, *, strict: bool
    ) -> None:
        self._cores = cores
        self._threads = threads
        self._strict = strict
        self._available = len(cpuset)
        self._cells = [CellThreads(host_cores, threads) for host_cores in _cores_by_cell(topology, cpuset)]

    def fit_cores(self) -> tuple[int, ...] | GuestError:
        """The host CPU of each vCPU.

        If relaxed, a shortage below one core is no error: the last vCPUs stay unpinned.
        """
        pins, missing = self._fit_chunks(self._cores, CellThreads.take_from_full_core)
        if missing:
            more, missing = self._fit_chunks(missing, CellThreads.take_from_fragments)
            pins += more
        if missing and not self._strict:
            more, missing = self._fit_unbound(missing)
            pins += more
        if not missing:
            return tuple(pins)
        if not self._strict or self._available < self._cores * self._threads:
            return GuestError(
                GuestFault.TOO_FEW_CPUS, f"not enough exclusive threads provided, could not fit {missing} core(s)"
            )
        return GuestError(
            GuestFault.CORE_WOULD_CROSS_ZONES,
            f"could not fit {missing} core(s) without crossing numa cell boundaries for individual cores",
        )

    def fit_thread(self) -> int | None:
        """One thread of the first cell that has any; None: no cell has."""
        for cell in self._cells:
            if taken := cell.take_thread():
                return taken[0]
        return None

    def _fit_chunks(self, wanted: int, take: Callable[[CellThreads], Sequence[int]]) -> tuple[list[int], int]:
        """Guest cores taken by `take`, cell by cell; and the number of cores that are still missing."""
        pins: list[int] = []
        for cell in self._cells:
            while wanted and (chunk := take(cell)):
                pins += chunk
                wanted -= 1
        return pins, wanted

    def _fit_unbound(self, wanted: int) -> tuple[list[int], int]:
        """Guest cores of single threads of any cells. A core with at least one thread counts as fitted."""
        pins: list[int] = []
        threads = wanted * self._threads
        for cell in self._cells:
            pins += cell.take_fragments_up_to(threads - len(pins))
        return pins, (threads - len(pins)) // self._threads


def _cores_by_cell(topology: HostTopology, cpuset: Iterable[int]) -> list[list[tuple[int, ...]]]:
    """Per host cell its cores, each as the threads that the cpuset has of it (cpuChunksToCells).

    A CPU is skipped only if an earlier sibling set contained it. Sibling sets that were read incompletely can contain
    one CPU several times; that CPU is then assigned several times.
    """
    allowed = frozenset(cpuset)
    visited: set[int] = set()
    cells = []
    for cell in topology.cells:
        cores = []
        for cpu in cell.cpus:
            if cpu.id not in visited:
                threads = cpu.siblings or (cpu.id,)
                visited.update(threads)
                cores.append(tuple(thread for thread in threads if thread in allowed))
        cells.append(cores)
    return cells


def supplemental_io_threads(pool: CpuPool, count: int) -> tuple[tuple[int, ...], ...] | GuestError:
    """A CPU for each IO thread of a supplemental pool (formatDomainIOThreadSupplementalPin)."""
    pins = []
    for _ in range(count):
        thread = pool.fit_thread()
        if thread is None:
            return GuestError(GuestFault.NO_CPU_FOR_IO_THREAD, f"no CPU allocated for the iothread: {_NO_THREAD}")
        pins.append((thread,))
    return tuple(pins)


def emulator_threads(pool: CpuPool, *, even_parity: bool, pinned: int) -> tuple[int, ...] | GuestError:
    """The CPU of the emulator, or two CPUs if even parity needs them (FormatEmulatorThreadPin).

    `pinned`: vCPUs of the spec plus IO threads of the pool; in a hotplug migration the vCPUs of the new spec.
    """
    first = pool.fit_thread()
    if first is None:
        return GuestError(GuestFault.NO_CPU_FOR_EMULATOR, f"no CPU allocated for the emulation thread: {_NO_THREAD}")
    if not even_parity or pinned % 2:
        return (first,)
    second = pool.fit_thread()
    if second is None:
        return GuestError(
            GuestFault.NO_SECOND_CPU_FOR_EMULATOR, f"no second CPU allocated for the emulation thread: {_NO_THREAD}"
        )
    return first, second


def shared_io_threads(
    count: int, emulator: tuple[int, ...], vcpus: int, cpuset: Sequence[int]
) -> tuple[tuple[int, ...], ...] | GuestError:
    """The CPUs of IO threads that have no CPU of their own (FormatDomainIOThreadPin).

    With an isolated emulator the first thread runs there and the others stay unpinned. Otherwise they share the first
    `vcpus` CPUs of the cpuset: one CPU each if there are at least as many threads, else consecutive ranges of equal
    size. A cpuset of fewer than `vcpus` CPUs, which no pod gets, shortens the last ranges.
    """
    if count == 0:
        return GuestError(GuestFault.NO_IO_THREADS, "domain is missing IOThreads")
    if emulator:
        return (emulator,)
    if count >= vcpus:
        return tuple(tuple(cpuset[thread % vcpus :][:1]) for thread in range(1, count + 1))
    stretches = []
    start = 0
    for thread in range(count):
        end = start + vcpus // count + (thread < vcpus % count)
        stretches.append(tuple(cpuset[start:end]))
        start = end
    return tuple(stretches)
