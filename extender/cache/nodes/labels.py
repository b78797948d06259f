"""Labels of a node, kept small. Most of them describe the hardware, and nodes of one model share those.

KubeVirt's labeller and Node Feature Discovery write about 200 per node; any of them may be what a pool selects by.
"""

import functools
from collections.abc import Iterator, Mapping

from extender.cache.interning import Memo, intern_text

__all__ = ["Labels", "compact_labels"]

#: Domains whose labels are equal on nodes of one hardware model.
_HARDWARE = (".node.kubevirt.io", "feature.node.kubernetes.io")
_SETS: Memo[tuple[tuple[str, str], ...], Mapping[str, str]] = Memo(1024)
#: Longer values belong to one node, as its host name does.
_SHORT = 16


class Labels(Mapping[str, str]):
    """A node's own labels, and those of its hardware."""

    __slots__ = ("_hardware", "_own")

    def __init__(self, own: dict[str, str], hardware: Mapping[str, str]) -> None:
        self._own = own
        self._hardware = hardware

    def __getitem__(self, key: str) -> str:
        return self._own[key] if key in self._own else self._hardware[key]

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from self._hardware

    def __len__(self) -> int:
        return len(self._own) + len(self._hardware)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Labels):
            return self._own == other._own and (self._hardware is other._hardware or self._hardware == other._hardware)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as for any mapping


@functools.lru_cache(maxsize=4096)
def _is_hardware(key: str) -> bool:
    return key.partition("/")[0].endswith(_HARDWARE)


def compact_labels(labels: Mapping[str, str]) -> Labels:
    """The same labels."""
    own: dict[str, str] = {}
    hardware: list[tuple[str, str]] = []
    for key, value in labels.items():
        if _is_hardware(key):
            hardware.append((key, value))
        else:
            own[intern_text(key)] = intern_text(value) if len(value) < _SHORT else value
    found = tuple(hardware)
    shared = _SETS.get(found)
    if shared is None:
        shared = _SETS.keep(found, dict(hardware))
    return Labels(own, shared)
