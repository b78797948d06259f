"""The pods' fingerprint equals the exporters'."""

import pytest

from extender.cache.nodes.fingerprint import fingerprint, xxh64

#: The reference implementation's compatibility vector.
PODS = [
    ("analytics", "controller-69dkj"), ("kube-public", "subscriber-tq6v7"), ("kube-public", "transformer-hfbng"),
    ("kube-public", "validator-c6pn5"), ("kube-system", "proxy-wszrd"), ("middleware", "processor-jkrl4"),
    ("network", "gateway-vsll5"), ("network", "importer-kzdfr"), ("network", "importer-q5vt9"),
    ("staging", "prometheus-bwgbn"),
]  # fmt: skip


def test_the_reference_vector_in_any_order() -> None:
    """Ten pods in six namespaces."""
    assert fingerprint(PODS) == fingerprint(reversed(PODS)) == "pfp0v001567144e4a561bb5a"


def test_another_set_differs() -> None:
    """One pod fewer is another fingerprint."""
    assert fingerprint(PODS[:-1]) != fingerprint(PODS)


@pytest.mark.parametrize(
    ("data", "expected"), [(b"", 0xEF46DB3751D8E999), (b"a", 0xD24EC4F1A98C6E5B), (b"abc", 0x44BC2CF5AD770999)]
)
def test_published_hashes(data: bytes, expected: int) -> None:
    """Vectors of the hash itself."""
    assert xxh64(data) == expected
