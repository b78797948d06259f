"""A VM that is larger than the node: nothing that leaves the node helps."""

from tests.kit.field import run

CASE = "d7-never-fits"


def test_it_never_fits() -> None:
    """201 CPUs are asked of a node with 60: said so, with no advice to free CPUs."""
    said = run(CASE, "explain", "--snapshot", "hot_512.json", "vms/giant")
    node = said.nodes()["n1"]
    assert node["verdict"] == "refused"
    assert "never fits: 201 exclusive CPUs are asked, the node has 60" in node["text"]
    assert "Free CPUs" not in node["advice"]


def test_the_table_gives_no_remedy_that_cannot_help() -> None:
    """Neither to free CPUs nor to wait."""
    said = run(CASE, "explain", "--snapshot", "hot_512.json", "vms/giant", output="wide")
    assert "Free CPUs" not in said.text
    assert "not now" not in said.text
