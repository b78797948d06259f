"""An option of a newer kubelet is not known here; the kubelet that has it runs."""

from tests.kit.field import run


def test_an_option_that_is_not_known_leaves_the_node_unknown() -> None:
    """The option is named."""
    case = ("d2-unknown-option", "explain", "--snapshot", "opt138.json", "vms/a")
    assert run(*case).verdicts() == {"n138": ("unknown", "OptionNotKnown")}
    assert "topologyManagerPolicyOptions.numa-allocation-strategy" in run(*case, output="table").text
