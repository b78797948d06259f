"""Whether what callers and the API server can make us hold at once stays below the memory that we may use.

Bodies of calls and pages of lists are bounded one by one; here stands what they come to together. The cache of the
cluster needs the rest.
"""

from pathlib import Path
from typing import Final

import structlog

from extender.config import Settings
from extender.errors import ConfigError
from extender.kubeapi.transport import PAGE_BYTES
from extender.runtime.asked_pods import ASKED_BYTES
from extender.watch.kinds import KINDS

__all__ = ["check_memory", "in_flight_bytes", "memory_limit"]

#: Where Linux shows the limit of this container (cgroup v2, v1).
_LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
#: What cgroup v1 shows where there is no limit is near 2^63.
_NO_LIMIT: Final = 1 << 60

_MIB: Final = 1 << 20

_log = structlog.get_logger(__name__)


def in_flight_bytes(settings: Settings) -> int:
    """The most that unread calls, a page of each watched kind and the pods kept for /debug/explain take together."""
    return settings.limits.connections * settings.limits.body_bytes + len(KINDS) * PAGE_BYTES + ASKED_BYTES


def memory_limit(files: tuple[Path, ...] = _LIMITS) -> int | None:
    """Bytes that this container may use; None where nothing limits it, or nothing says so."""
    for path in files:
        try:
            text = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text.isdecimal() and int(text) < _NO_LIMIT:
            return int(text)
    return None


def check_memory(settings: Settings, limit: int | None) -> None:
    """Raises ConfigError if calls and pages alone could take all memory; warns if they leave less than half to the cache."""
    if limit is None:
        return
    most = in_flight_bytes(settings)
    if most >= limit:
        raise ConfigError(
            f"limits.connections x limits.bodyBytes = {settings.limits.connections} x {settings.limits.body_bytes}: "
            f"calls and lists could take {most // _MIB} MiB, and the memory limit of this container is "
            f"{limit // _MIB} MiB; lower one of the two settings or raise the limit"
        )
    if most > limit // 2:
        _log.warning(
            "calls and lists could take more than half of the memory limit",
            could_take_mib=most // _MIB,
            limit_mib=limit // _MIB,
            remedy="lower limits.connections or limits.bodyBytes, or raise the limit",
        )
