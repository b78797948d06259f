"""Zones under other names than NFD's are not read, and the names are told."""

from tests.kit.field import run


def test_the_names_found_and_the_form_expected_are_told() -> None:
    """There is an exporter: the remedy is not to run one."""
    case = ("u6-zone-names", "explain", "--snapshot", "snapshot.json", "vms/plain")
    assert run(*case).verdicts() == {"worker-node-A": ("unknown", "ReportUnreadable")}
    text = run(*case, output="table").text
    assert "numa-node-0 (type Node), numa-node-1 (type Node); expected node-<number>" in text
    assert "Run an exporter" not in text
