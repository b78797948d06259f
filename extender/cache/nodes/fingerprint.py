"""The fingerprint of a node's pods that exporters publish: equal sets of pods give equal texts.

Format `pfp0v001` + hex of XXH64 over the sorted 8-byte little-endian hashes of the pods, each hash being XXH64 of the
name seeded with XXH64 of the namespace (the Kubernetes Topology Aware Scheduling working group's podfingerprint).
"""

from collections.abc import Iterable

__all__ = ["ATTRIBUTE", "METHOD_ATTRIBUTE", "fingerprint", "xxh64"]

#: Attributes of a NodeResourceTopology.
ATTRIBUTE = "nodeTopologyPodsFingerprint"
METHOD_ATTRIBUTE = "nodeTopologyPodsFingerprintMethod"

_MASK = 0xFFFFFFFFFFFFFFFF
_P1 = 11400714785074694791
_P2 = 14029467366897019727
_P3 = 1609587929392839161
_P4 = 9650029242287828579
_P5 = 2870177450012600261


def _rotate(value: int, by: int) -> int:
    return ((value << by) | (value >> (64 - by))) & _MASK


def _round(lane: int, word: int) -> int:
    return _rotate((lane + word * _P2) & _MASK, 31) * _P1 & _MASK


def xxh64(data: bytes, seed: int = 0) -> int:
    """XXH64 of `data`."""
    length, at = len(data), 0
    if length >= 32:
        lanes = [(seed + _P1 + _P2) & _MASK, (seed + _P2) & _MASK, seed & _MASK, (seed - _P1) & _MASK]
        while at <= length - 32:
            for lane in range(4):
                lanes[lane] = _round(lanes[lane], int.from_bytes(data[at : at + 8], "little"))
                at += 8
        value = sum(_rotate(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            value = ((value ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        value = (seed + _P5) & _MASK
    value = (value + length) & _MASK
    while at <= length - 8:
        value = (_rotate(value ^ _round(0, int.from_bytes(data[at : at + 8], "little")), 27) * _P1 + _P4) & _MASK
        at += 8
    if at <= length - 4:
        word = int.from_bytes(data[at : at + 4], "little")
        value = (_rotate(value ^ (word * _P1 & _MASK), 23) * _P2 + _P3) & _MASK
        at += 4
    for byte in data[at:]:
        value = _rotate(value ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
    for shift, prime in ((33, _P2), (29, _P3), (32, 1)):
        value = ((value ^ (value >> shift)) * prime) & _MASK
    return value


def fingerprint(pods: Iterable[tuple[str, str]]) -> str:
    """The text for pods given as (namespace, name)."""
    hashes = sorted(xxh64(name.encode(), xxh64(namespace.encode())) for namespace, name in pods)
    return f"pfp0v001{xxh64(b''.join(value.to_bytes(8, 'little') for value in hashes)):016x}"
