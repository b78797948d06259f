"""A VM that is larger than the node: nothing that leaves the node helps."""

from pathlib import Path

from tests.kit.field import Content, of_kind, run, run_changed

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


def test_more_pages_than_the_machine_has(tmp_path: Path) -> None:
    """Without Memory Manager no report has pages; the stated machine has 128."""

    def large(content: Content) -> None:
        [vmi], [pod] = of_kind(content, "VirtualMachineInstance"), of_kind(content, "Pod")
        vmi["spec"]["domain"]["memory"]["guest"] = "200Gi"
        vmi["spec"]["domain"]["cpu"] |= {"sockets": 2, "maxSockets": 2}
        for amounts in pod["spec"]["containers"][0]["resources"].values():
            amounts |= {"cpu": "3", "hugepages-1Gi": "200Gi"}

    node = run_changed(tmp_path, CASE, "hot_512.json", large, "explain", "vms/giant").nodes()["n1"]
    assert node["code"] == "ZonePagesShort"
    assert "never fits: 200 x 1Gi pages are asked, its zones have 128 x 1Gi pages in all" in node["text"]
    assert "use a larger node" in node["advice"]
