"""The table of refusals: the kubelet's words, and what follows."""

import pytest

from extender.cache.pods.refusal import CAUSES, cause_of, is_refusal


def unexpected(error: str) -> str:
    """As pkg/kubelet/cm/admission/errors.go wraps an error of an allocator."""
    return f"Pod was rejected: Allocate failed due to {error}, which is unexpected"


@pytest.mark.parametrize(
    ("reason", "message", "name", "until_change"),
    [
        ("TopologyAffinityError", "Resources cannot be allocated with Topology locality", "Topology Manager", True),
        ("SMTAlignmentError", "SMT Alignment Error: requested 3 cpus", "CPU Manager, full-pcpus-only", True),
        ("EmptyPodSharedPoolError", "pod rejected", "pod-level managers", True),
        ("UnexpectedAdmissionError", unexpected("[memorymanager] preferred hint violates"), "Memory Manager", True),
        ("UnexpectedAdmissionError", unexpected("not enough cpus available to satisfy request"), "CPU Manager", True),
        ("UnexpectedAdmissionError", unexpected("accounting error, too many CPUs"), "CPU Manager", True),
        ("UnexpectedAdmissionError", unexpected("requested number of devices unavailable for x/y"), "Device Manager", False),
        ("UnexpectedAdmissionError", unexpected("no healthy devices present"), "Device Manager", False),
        ("UnexpectedAdmissionError", unexpected("rpc error: code = Unavailable"), "Device Manager", False),
        ("UnexpectedAdmissionError", "", "Device Manager", False),
        ("OutOfcpu", "Node didn't have enough resource: cpu", "sums over all pods", False),
        ("OutOfhugepages-1Gi", "", "sums over all pods", False),
        ("OutOfpods", "", "sums over all pods", False),
    ],
)  # fmt: skip
def test_each_refusal_has_one_cause(reason: str, message: str, name: str, until_change: bool) -> None:
    """And each cause its end."""
    cause = cause_of(reason, message)
    assert cause is not None
    assert (cause.name, cause.until_change) == (name, until_change)
    assert is_refusal(reason)


@pytest.mark.parametrize("reason", ["", "Evicted", "NodeShutdown", "NodeAffinity", "Terminated", "Preempting"])
def test_other_ends_of_a_pod_are_no_refusals(reason: str) -> None:
    """They say nothing of room on the node."""
    assert cause_of(reason, "") is None
    assert not is_refusal(reason)


def test_one_cause_proves_an_option() -> None:
    """SMT alignment is checked with full-pcpus-only alone."""
    assert [cause.proves for cause in CAUSES if cause.proves] == [{"full-pcpus-only": "true"}]
