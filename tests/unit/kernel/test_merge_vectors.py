"""Topology Manager's merge on bare hint lists: the vectors observed on the real policies, four zones, two per socket."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _fastfit import Policy
from _fastfit._hints_py import Hints, Merged, merge

DISTANCES = [[10, 12, 21, 21], [12, 10, 21, 21], [21, 21, 10, 12], [21, 21, 12, 10]]
ALL = 0b1111


def hints(text: str) -> Hints | None:
    """`0p 01n`: zones of a mask and whether it is preferred; `-` is no preference, the empty text an empty list."""
    if text == "-":
        return None
    pairs = [(sum(1 << int(zone) for zone in part[:-1]), part[-1] == "p") for part in text.split()]
    return Hints(tuple(mask for mask, _ in pairs), frozenset(mask for mask, preferred in pairs if preferred))


VECTORS = [
    (["0p 1p 01n", "1p"], "1p", "1p", "1p", "1p"),
    (["01p", "0p 1p 01n"], "01n", "01n", None, None),
    (["01p 23p", "23p"], "23p", "23p", "23p", None),
    (["01p 12p 03p"], "01p", "01p", "01p", None),
    (["0p", "1p"], "0123n", "0123n", None, None),
    (["012n", "123n", "2p"], "2n", "2n", None, None),
    (["", "2p"], "2n", "2n", None, None),
    (["-", "2p"], "2p", "2p", "2p", "2p"),
    (["0123n", "1n 23n"], "23n", "23n", None, None),
    (["01n 23n 0123n"], "01n", "01n", None, None),
    ([""], "0123n", "0123n", None, None),
    (["01p 23p 02p", "02p 23p 0n"], "02p", "23p", "02p", None),
]


@pytest.mark.parametrize(("lists", "best_effort", "closest", "restricted", "single"), VECTORS)
def test_vectors(lists: list[str], best_effort: str, closest: str, restricted: str | None, single: str | None) -> None:
    """best-effort with and without prefer-closest, restricted and single-numa-node (None: refused)."""
    offers = [hints(text) for text in lists]

    def shown(policy: Policy, distances: list[list[int]] | None = None) -> str:
        merged = merge(offers, ALL, policy, distances)
        return "".join(str(zone) for zone in range(4) if merged.mask >> zone & 1) + "np"[merged.preferred]

    assert shown(Policy.BEST_EFFORT) == best_effort
    assert shown(Policy.BEST_EFFORT, DISTANCES) == closest
    for policy, wanted in ((Policy.RESTRICTED, restricted), (Policy.SINGLE_NUMA_NODE, single)):
        if wanted is None:
            assert not merge(offers, ALL, policy, None).preferred
        else:
            assert shown(policy) == wanted


def product(offers: list[Hints | None], everything: int) -> Merged:
    """The merge as the kubelet does it: every combination of one hint per list, the better of two, one after another."""
    lists: list[list[tuple[int | None, bool]]] = []
    for one in offers:
        if one is None:
            lists.append([(None, True)])
        elif not one.masks:
            lists.append([(None, False)])
        else:
            lists.append([(mask, mask in one.preferred) for mask in one.masks])
    narrow = [min(mask.bit_count() for mask in one.masks) for one in offers if one is not None and one.masks]
    target = max(narrow, default=0)
    best: tuple[int, bool] | None = None
    for combination in itertools.product(*lists):
        mask, same = everything, {one for one, _ in combination if one is not None}
        for one in same:
            mask &= one
        if mask:
            candidate = (mask, len(same) <= 1 and all(preferred for _, preferred in combination))
            best = candidate if best is None or better(candidate, best, target) else best
    return Merged(*best) if best is not None else Merged(everything, False)


def better(one: tuple[int, bool], other: tuple[int, bool], target: int) -> bool:
    """Whether a candidate replaces the best so far."""
    if one[1] != other[1]:
        return one[1]
    narrower = (one[0].bit_count(), one[0]) < (other[0].bit_count(), other[0])
    width, other_width = one[0].bit_count(), other[0].bit_count()
    if one[1] or other_width > target or width == other_width:
        return narrower
    if other_width == target:
        return False
    return other_width < width <= target


LISTS = st.lists(
    st.none()
    | st.builds(
        lambda masks, preferred: Hints(tuple(sorted(masks)), frozenset(masks & preferred)),
        st.sets(st.integers(1, 7), max_size=7),
        st.sets(st.integers(1, 7), max_size=7),
    ),
    max_size=3,
)


@settings(max_examples=300, deadline=None)
@given(LISTS)
def test_closed_form_is_the_product(offers: list[Hints | None]) -> None:
    """The closed form gives what walking all combinations gives."""
    assert merge(offers, 0b111, Policy.BEST_EFFORT, None) == product(offers, 0b111)
