"""The words of refusals: which rule, which numbers, and whether waiting can help."""

from collections.abc import Callable

import pytest

from extender.kubelet.admission import Kubelet
from extender.kubelet.pod import PodDemand
from extender.kubelet.refusal_text import amount_text
from extender.kubelet.results import Admitted, Refused
from tests.kit.kubelet_nodes import DEVICE, GI, A, B, E, F, config, kubelet, machine, pod


def node(policy: str = "BE", **settings: object) -> Kubelet:
    return kubelet(A, config(policy, "0,16", **settings), devices={DEVICE: {0: 2, 1: 1}})  # type: ignore[arg-type]


def rule(twin: Kubelet, text: str) -> str:
    answer = twin.admit(pod("p", text))
    assert isinstance(answer, Refused)
    return answer.rule


def test_refusal_names_the_rule() -> None:
    """A topology refusal tells for each resource what width it needs and which zones it found, and what is free."""
    assert rule(node("R"), "20c/2Gi/16hp") == (
        "container c0: restricted wants one and the same set of zones to be the narrowest choice for every resource; "
        "20 CPUs: minimal width 2 zones, prefers {0,1}; "
        "16Gi hugepages-1Gi: minimal width 1 zone, prefers {0} {1}; "
        "2Gi memory: minimal width 1 zone, prefers {0} {1}; "
        "zone 0 has 16 CPUs, 14 not reserved, 14 free; zone 1 has 16 CPUs, 16 not reserved, 16 free; "
        "under restricted this pod never fits this node, not even empty: "
        "minimal width for 20 CPUs is 2, because 1 zone has at most 16 CPUs in all; "
        "minimal width for 16Gi hugepages-1Gi is 1, because a zone has up to 32Gi hugepages-1Gi after reservation; "
        "minimal width for 2Gi memory is 1, because a zone has up to 32Gi memory after reservation"
    )


NEVER = "this pod never fits this node, not even empty: "


@pytest.mark.parametrize(
    ("twin", "text", "why"),
    [
        (
            lambda: kubelet(A, config("R", "0,8,16,24", memory=False)),
            "15c",
            (
                "minimal width for 15 CPUs is 1, because a zone has up to 16 CPUs in all, but at most 14 can be given, "
                "the others are reserved"
            ),
        ),
        (
            lambda: kubelet(B, config("R", "0,4,8", memory=False)),
            "16c",
            (
                "minimal width for 16 CPUs is 2, because 1 zone has at most 8 CPUs in all, but at most 15 can be given, "
                "the others are reserved"
            ),
        ),
        (lambda: node("SN", memory=False), "31c", "minimal width for 31 CPUs is 2, because 1 zone has at most 16"),
        (
            lambda: node("R", memory=False),
            "31c",
            "minimal width for 31 CPUs is 2, because 1 zone has at most 16 CPUs in all, but at most 30 can be given",
        ),
        (
            lambda: node("R", memory=False),
            "33c",
            "minimal width for 33 CPUs is 2, because all zones together have 32 CPUs in all, but at most 30 can be",
        ),
        (
            lambda: kubelet(B, config("SN", "0,16")),
            "8c/1Gi/50hp",
            "minimal width for 50Gi hugepages-1Gi is 4, because 3 zones have at most 48Gi hugepages-1Gi after",
        ),
        (
            lambda: kubelet(E, config("R", "0,16")),
            "4c/40Gi",
            (
                "empty zones leave no choice in common: 4 CPUs: minimal width 1 zone, prefers {0} {1}; "
                "40Gi memory: minimal width 1 zone, prefers {2}"
            ),
        ),
        (
            lambda: kubelet(E, config("R", "0,16")),
            "20c/100Gi/1hp",
            (
                "empty zones leave no choice in common: 20 CPUs: minimal width 2 zones, prefers {0,1}; "
                "1Gi hugepages-1Gi: minimal width 2 zones, prefers {0,2} {1,2}"
            ),
        ),
    ],
)
def test_refusal_tells_what_never_fits(twin: Callable[[], Kubelet], text: str, why: str) -> None:
    """What the zones forbid even when all is free is called so, with the numbers."""
    said = rule(twin(), text)
    assert NEVER + why in said, said


def test_joint_memory_width_is_explained() -> None:
    """Pages on one zone and memory on the other: neither alone needs two zones, both at once do."""
    split = machine(2, 1, 8)
    split["numa"][1]["hugepages"] = {"1Gi": 0}
    split["numa"][0]["memoryBytes"] = 34 * GI
    said = rule(kubelet(split, config("SN", "0,16")), "4c/40Gi/16hp")
    assert f"{NEVER}minimal width for 16Gi hugepages-1Gi is 2, because no 1 zone can hold every memory type" in said


def test_refusal_tells_what_is_only_in_use() -> None:
    """What a freed zone would allow is not called never, and the zones of the empty node are named."""
    twin = node("SN", memory=False)
    twin.admit(pod("a", "10c"))
    twin.admit(pod("b", "12c"))
    said = rule(twin, "8c")
    assert "8 CPUs: minimal width 1 zone, room only in the wider {0,1}; zone 0 has 16 CPUs, 14 not reserved, 4" in said
    assert said.endswith("not now: on the empty node every resource would prefer {0}")
    assert "never" not in said


def test_refusal_on_one_zone() -> None:
    """single-numa-node on a machine of one zone gives no guidance, yet the zone is named."""
    twin = kubelet(F, config("SN", "0", memory=False))
    twin.admit(pod("a", "5c"))
    assert rule(twin, "4c").endswith("on the empty node every resource would prefer {0}")


def test_align_by_socket_may_prefer_other_widths() -> None:
    """Four CPUs of socket 0 and devices on two of its zones have different widths and yet a set in common."""
    twin = kubelet(
        B, config("R", "0,16", memory=False, cpu_options=["align-by-socket"]), devices={DEVICE: {0: 1, 1: 1}}
    )
    assert isinstance(twin.admit(pod("a", "4c/1Gi/2dev")), Admitted)
    said = rule(twin, "4c/1Gi/1dev")
    assert f"1 {DEVICE} fits nowhere now" in said
    assert "not now" in said


def outlook(twin: Kubelet, wanted: PodDemand) -> str:
    answer = twin.admit(wanted)
    assert isinstance(answer, Refused)
    return twin.outlook(wanted, answer)


def test_outlook() -> None:
    """The empty node tells whether waiting can help, whichever manager refused; the state stays as it is."""
    twin = node("R")
    twin.admit(pod("s", "2c/1Gi/2hp"))
    state = twin.counts()
    assert outlook(twin, pod("p", "20c/2Gi/40hp")) == "not now: the empty node would take the pod (c0 on zones 0,1)"
    assert twin.counts() == state
    # The zones' free CPUs differ, the proof does not.
    assert outlook(twin, pod("p", "20c/2Gi/16hp")) == "not even on the empty node, and by the same rule"
    assert outlook(node("R"), pod("p", "20c/2Gi/16hp")) == "not even on the empty node, and by the same rule"
    # Its own sidecar takes a block on zone 0 first (container scope).
    assert "not even on the empty node: UnexpectedAdmissionError: Memory Manager Static: 40Gi" in outlook(
        twin, pod("p", "20c/1Gi/40hp", init=["+40m/1Gi"])
    )
    odd = kubelet(A, config("SN", "0,16", cpu_options=["full-pcpus-only"], memory=False))
    assert "by the same rule" in outlook(odd, pod("p", "9c"))
    full = node("NO", memory=False)
    full.admit(pod("a", "30c"))
    assert outlook(full, pod("p", "2c")) == "not now: the empty node would take the pod"
    assert outlook(node("NO", memory=False), pod("q", "1c/1Gi/4dev")) == (
        "not even on the empty node, and by the same rule"
    )
    # Only what is pinned is placed: the sidecar's zones are of no interest.
    full = node("R", memory=False)
    full.admit(pod("a", "14c"))
    full.admit(pod("b", "16c"))
    assert outlook(full, pod("p", "8c", init=["+40m/1Gi"])) == (
        "not now: the empty node would take the pod (c0 on zones 0)"
    )


def test_refusal_lists_few_sets() -> None:
    """Of many sets of zones the first six are named."""
    twin = kubelet(machine(2, 4, 2), config("SN", "0", memory=False))
    text = twin.admit(pod("p", "4c"), {DEVICE: [([0], True)]})
    assert isinstance(text, Refused)
    assert "prefers {1} {2} {3} {4} {5} {6} and 1 more" in text.rule


@pytest.mark.parametrize(
    ("resource", "amount", "text"),
    [
        ("cpu", 1, "1 CPU"),
        ("cpu", 4, "4 CPUs"),
        ("memory", 0, "0Gi memory"),
        ("memory", GI, "1Gi memory"),
        ("memory", 3 * GI // 2, "1.5Gi memory"),
        ("memory", GI // 2, "512Mi memory"),
        ("hugepages-2Mi", 60_000_000, "57.2205Mi hugepages-2Mi"),
        (DEVICE, 2, f"2 {DEVICE}"),
    ],
)
def test_amounts(resource: str, amount: int, text: str) -> None:
    """CPUs by name, memory in the larger of Gi and Mi that is not below one, all else as a number."""
    assert amount_text(resource, amount) == text
