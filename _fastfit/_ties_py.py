"""The order of nodes whose keys are equal: by a hash of the pod's UID and the node's name.

So many equal pods spread over equal nodes, and replicas agree on each. Without a UID names decide.

The compiled kernel's hashes are in _slots.pxd and give the same numbers.
"""

import sys
from functools import lru_cache

__all__ = ["hash_name", "seed_of", "tie_of"]

_WORD = (1 << 64) - 1


def _hash(text: bytes) -> int:
    """64 bits, the same in every process of machines with one byte order."""
    mixed = len(text) * 0x9E3779B97F4A7C15 & _WORD
    whole = len(text) // 8 * 8
    for place in range(0, whole, 8):
        mixed = (mixed ^ int.from_bytes(text[place : place + 8], sys.byteorder)) * 0xBF58476D1CE4E5B9 & _WORD
        mixed ^= mixed >> 29
    rest = text[whole:].ljust(8, b"\0")
    mixed = (mixed ^ int.from_bytes(rest, sys.byteorder)) * 0x94D049BB133111EB & _WORD
    return mixed ^ mixed >> 32


@lru_cache(maxsize=65536)
def hash_name(name: bytes) -> int:
    """32 bits of a node's name."""
    return _hash(name) & 0xFFFFFFFF


def seed_of(uid: str) -> int:
    """64 bits of a pod's UID; 0 without one."""
    return _hash(uid.encode("utf-8", "surrogatepass")) if uid else 0


def tie_of(seed: int, name: int) -> int:
    """Where a node (its hash) stands among equal ones, the smallest first; 0 for every node without a seed."""
    if not seed:
        return 0
    mixed = (seed ^ name) * 0xBF58476D1CE4E5B9 & _WORD
    mixed = (mixed ^ mixed >> 32) * 0x94D049BB133111EB & _WORD
    return mixed >> 32
