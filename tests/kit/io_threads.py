"""IO threads of a VM by its policy and disks (pkg/virt-launcher/virtwrap/converter/iothreads/iothreads.go, KubeVirt v1.9.0).

fastfit never counts them: they get no CPU of their own. Recorded cases state policy and disks, and the replay needs the
number that KubeVirt made of them.
"""

from enum import Enum

__all__ = ["IoThreadsPolicy", "io_thread_count"]


class IoThreadsPolicy(Enum):
    """The values of spec.domain.ioThreadsPolicy."""

    SHARED = "shared"
    AUTO = "auto"
    SUPPLEMENTAL_POOL = "supplementalPool"


def io_thread_count(
    policy: IoThreadsPolicy | None,
    *,
    plain_disks: int,
    dedicated_disks: int,
    isolate_emulator: bool,
    requested_cpus: int | None = None,
) -> int | None:
    """IO threads of a VM without a supplemental pool; None: it has none.

    `dedicated_disks` ask for a thread of their own (dedicatedIOThread), `plain_disks` share. `requested_cpus` is
    spec.domain.resources' CPU request, else its limit, where one is set.
    """
    if policy is None and dedicated_disks == 0:
        return None
    limit = _thread_pool_limit(policy, isolate_emulator, requested_cpus)
    shared = plain_disks
    if plain_disks + dedicated_disks > limit:
        shared = max(limit - dedicated_disks, 1)
    return shared + dedicated_disks


def _thread_pool_limit(policy: IoThreadsPolicy | None, isolate_emulator: bool, requested_cpus: int | None) -> int:
    """`auto` allows two threads a requested CPU, unless all of them share the emulator's CPU anyway."""
    if policy is IoThreadsPolicy.SUPPLEMENTAL_POOL:
        return 0
    if policy is not IoThreadsPolicy.AUTO or isolate_emulator:
        return 1
    return 2 * (1 if requested_cpus is None else requested_cpus)
