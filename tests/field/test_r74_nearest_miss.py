"""Refused nodes stand in the order in which they nearly fit."""

from tests.kit.field import run

CASE = "r74-nearest-miss"


def test_the_nearest_node_is_first() -> None:
    """One page of sixteen lacks on b-near, nine CPUs of seventeen on a-far."""
    said = run(CASE, "explain", "--snapshot", "miss.json", "vms/big")
    assert list(said.nodes()) == ["b-near", "a-far"]
    assert said.nodes()["b-near"]["nearest"] == "zone 0 lacks 1 x 1Gi pages"
    assert said.nodes()["a-far"]["nearest"] == "zone 1 lacks 9 CPUs"


def test_it_is_told() -> None:
    """In the table's details as well."""
    said = run(CASE, "explain", "--snapshot", "miss.json", "vms/big", output="table")
    assert "nearest: zone 0 lacks 1 x 1Gi pages" in said.text
