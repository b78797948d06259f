"""The Topology Manager's merge: the recorded vectors by row, and the closed form against the cross product."""

import itertools
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extender.kubelet.model import CannotStart
from extender.kubelet.results import Admitted
from extender.kubelet.topology_manager import IMPOSSIBLE, Affinity, Hints, TopologyManager, merge
from tests.kit.kubelet_nodes import A, B, config, kubelet, machine, parse_config, parse_machine, pod

REFUSE = "refuse"
CLOSEST = {"prefer-closest-numa-nodes": "true"}
#: hint lists, then what best-effort, best-effort with prefer-closest, restricted and single-numa-node make of them.
VECTORS = [
    ("a:{0}p {1}p {0,1}n; b:{1}p", "{1}p", "{1}p", "{1}p", "{1}p"),
    ("a:{0,1}p; b:{0}p {1}p {0,1}n", "{0,1}n", "{0,1}n", REFUSE, REFUSE),
    ("a:{0,1}p {2,3}p; b:{2,3}p", "{2,3}p", "{2,3}p", "{2,3}p", REFUSE),
    ("a:{0,1}p {1,2}p {0,3}p", "{0,1}p", "{0,1}p", "{0,1}p", REFUSE),
    ("a:{0}p; b:{1}p", "{0,1,2,3}n", "{0,1,2,3}n", REFUSE, REFUSE),
    ("a:{0,1,2}n; b:{1,2,3}n; c:{2}p", "{2}n", "{2}n", REFUSE, REFUSE),
    ("a:; b:{2}p", "{2}n", "{2}n", REFUSE, REFUSE),
    ("a:nil; b:{2}p", "{2}p", "{2}p", "{2}p", "{2}p"),
    ("a:{0,1,2,3}n; b:{1}n {2,3}n", "{2,3}n", "{2,3}n", REFUSE, REFUSE),
    ("a:{0,1}n {2,3}n {0,1,2,3}n", "{0,1}n", "{0,1}n", REFUSE, REFUSE),
    ("a:", "{0,1,2,3}n", "{0,1,2,3}n", REFUSE, REFUSE),
    ("a:{0,1}p {2,3}p {0,2}p; b:{0,2}p {2,3}p {0}n", "{0,2}p", "{2,3}p", "{0,2}p", REFUSE),
]
COLUMNS = [("BE", {}), ("BE", CLOSEST), ("R", {}), ("SN", {})]


def device_hints(text: str) -> dict[str, list[tuple[list[int], bool]] | None]:
    """Hint lists from their spelling in the table."""
    lists: dict[str, list[tuple[list[int], bool]] | None] = {}
    for part in text.split("; "):
        name, _, entries = part.partition(":")
        found = re.findall(r"\{([\d,]+)\}([pn])", entries)
        lists[name] = None if entries == "nil" else [([int(z) for z in zs.split(",")], p == "p") for zs, p in found]
    return lists


@pytest.mark.parametrize("column", range(4), ids=["best-effort", "closest", "restricted", "single"])
@pytest.mark.parametrize("row", range(len(VECTORS)), ids=lambda row: f"vector{row + 1:02}")
def test_vectors(row: int, column: int) -> None:
    """A Burstable pod on machine B, whose only hints are those of the vector."""
    policy, options = COLUMNS[column]
    node = kubelet(B, config(policy, "0,16", options=options, memory=False))
    answer = node.admit(pod("p", "1c", burstable=True), device_hints(VECTORS[row][0]))
    wanted = VECTORS[row][1 + column]
    if wanted == REFUSE:
        assert not isinstance(answer, Admitted)
        assert answer.reason == "TopologyAffinityError"
    else:
        assert isinstance(answer, Admitted)
        placement = answer.containers["c0"]
        hint = "{" + ",".join(map(str, placement.hint or ())) + "}" + ("p" if placement.preferred else "n")
        assert hint == wanted


def cross_product(lists: Sequence[Hints | None], full: int) -> Affinity:
    """The kubelet's own way: every combination, ANDed, compared one by one."""
    entries: list[list[tuple[int | None, bool]]] = []
    for hints in lists:
        if hints is None:
            entries.append([(None, True)])
        elif not hints.masks:
            entries.append([(None, False)])
        else:
            entries.append([(mask, mask in hints.preferred) for mask in hints.masks])
    counts = [min((m.bit_count() for m, _ in column if m is not None), default=0) for column in entries]
    target = max(counts, default=0)
    best = Affinity(full, False)
    found = False
    for combination in itertools.product(*entries):
        mask = full
        for entry, _ in combination:
            mask &= full if entry is None else entry
        if mask == 0:
            continue
        masks = {entry if entry is not None else full for entry, _ in combination}
        preferred = all(p for _, p in combination) and len({e for e, _ in combination if e is not None}) <= 1
        preferred = preferred and masks <= {mask, full}
        candidate = Affinity(mask, preferred)
        if not found or _better(candidate, best, target):
            best, found = candidate, True
    return best


def _better(candidate: Affinity, current: Affinity, target: int) -> bool:
    assert candidate.mask is not None and current.mask is not None
    if candidate.preferred != current.preferred:
        return candidate.preferred
    ours, theirs = candidate.mask.bit_count(), current.mask.bit_count()
    if candidate.preferred or ours == theirs:
        return (ours, candidate.mask) < (theirs, current.mask)
    if theirs > target:
        return ours < theirs
    if theirs == target:
        return False
    return target >= ours > theirs


def _hints(full: int) -> st.SearchStrategy[Hints | None]:
    masks = st.integers(1, full)
    lists = st.lists(st.tuples(masks, st.booleans()), max_size=4, unique_by=lambda entry: entry[0])
    made = lists.map(lambda es: Hints(tuple(m for m, _ in es), frozenset(m for m, p in es if p)))
    return st.one_of(st.none(), made)


@settings(deadline=None)
@given(st.lists(_hints(15), max_size=4))
def test_closed_form(lists: list[Hints | None]) -> None:
    """The closed form and the cross product agree on mask and preference."""
    assert merge(lists, 15, 4) == cross_product(lists, 15)


def test_eight_zones_with_four_full_lists() -> None:
    """Four long lists of different widths, where the kubelet would walk some two thousand million combinations."""
    lists = []
    for width in (1, 2, 3, 4):
        masks = tuple(mask for mask in range(1, 256) if mask.bit_count() >= width)
        lists.append(Hints(masks, frozenset(mask for mask in masks if mask.bit_count() == width)))
    assert merge(lists, 255, 8) == Affinity(0b1111, False)


def test_impossible_and_indifferent() -> None:
    """Nothing asked: all zones, preferred. One list without an entry: never preferred."""
    assert merge([None, None], 3, 2) == Affinity(3, True)
    assert merge([None, IMPOSSIBLE], 3, 2) == Affinity(3, False)


def test_single_zone_hands_out_no_mask_for_the_whole_machine() -> None:
    """Under single-numa-node a result that is the whole machine guides nobody; a one-zone machine always is."""
    one = TopologyManager(parse_machine(machine(1, 1, 4)), parse_config(config("SN", "0", memory=False)))
    assert one.decide([Hints((1,), frozenset((1,)))]) == (Affinity(None, True), True)


@pytest.mark.parametrize(
    ("node", "settings", "text"),
    [
        (A, {"topologyManagerPolicy": "strict"}, "topologyManagerPolicy"),
        (A, {"topologyManagerScope": "node"}, "topologyManagerScope"),
        (A, {"topologyManagerPolicyOptions": {"prefer-closest-numa-nodes": "yes"}}, "not a boolean"),
        (A, {"topologyManagerPolicyOptions": {"max-allowable-numa-nodes": "7"}}, "at least 8"),
        (A, {"topologyManagerPolicyOptions": {"max-allowable-numa-nodes": "x"}}, "at least 8"),
        (A, {"topologyManagerPolicyOptions": {"other": "true"}}, "not an option"),
        (machine(2, 1, 4, ids=[0, 8]), {"topologyManagerPolicyOptions": CLOSEST}, "sparse"),
        (machine(2, 1, 4, distances=[[], []]), {"topologyManagerPolicyOptions": CLOSEST}, "needs distances"),
        (machine(9, 1, 1), {}, "machine of 9 zones"),
        (machine(2, 1, 4, ids=[0, 64]), {}, "64 bits"),
    ],
)
def test_cannot_start(node: dict[str, object], settings: dict[str, object], text: str) -> None:
    """Configurations with which the kubelet stops at its start."""
    with pytest.raises(CannotStart, match=text):
        kubelet(node, config("R", "0", memory=False) | settings)


@pytest.mark.parametrize(
    ("policy", "node", "options"),
    [
        ("SN", machine(2, 1, 4, ids=[0, 8]), CLOSEST),
        ("BE", machine(9, 1, 1), {"max-allowable-numa-nodes": "9"}),
        ("NO", machine(9, 1, 1), {"anything": "goes"}),
        ("BE", machine(2, 1, 4, distances=[[], []]), {"prefer-closest-numa-nodes": "0"}),
    ],
)
def test_starts(policy: str, node: dict[str, object], options: dict[str, str]) -> None:
    """single-numa-node never measures distances; policy none reads no options."""
    kubelet(node, config(policy, "0", options=options, memory=False))
