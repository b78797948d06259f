"""Dicts and sets of very many entries: they hold what plain ones hold, and no part of them is large."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extender.cache.collections import PARTS, HashSet, PartitionedDict

_CHANGES = st.lists(st.tuples(st.sampled_from(["put", "drop", "pop"]), st.integers(0, 40).map(str)), max_size=80)


@given(_CHANGES)
def test_a_wide_dict_holds_what_a_plain_one_holds(changes: list[tuple[str, str]]) -> None:
    """After any changes: the same entries, found in every way there is."""
    wide: PartitionedDict[str, int] = PartitionedDict()
    plain: dict[str, int] = {}
    for number, (change, key) in enumerate(changes):
        if change == "put":
            wide[key] = plain[key] = number
        elif change == "pop":
            assert wide.pop(key, -1) == plain.pop(key, -1)
        elif key in plain:
            del wide[key], plain[key]
        else:
            with pytest.raises(KeyError):
                del wide[key]
    assert dict(wide) == plain
    assert len(wide) == len(plain)
    for key in map(str, range(41)):
        assert (key in wide, wide.get(key), wide.get(key, -1)) == (key in plain, plain.get(key), plain.get(key, -1))
        if key not in plain:
            with pytest.raises(KeyError):
                wide[key]
            with pytest.raises(KeyError):
                wide.pop(key)


@given(_CHANGES)
def test_identities_hold_what_a_set_holds(changes: list[tuple[str, str]]) -> None:
    """After any changes: the same things are there, and as many."""
    identities, plain = HashSet(), set()
    for change, key in changes:
        if change == "put":
            identities.add(key)
            plain.add(key)
        else:
            identities.discard(key)
            plain.discard(key)
    assert len(identities) == len(plain)
    assert {key for key in map(str, range(41)) if key in identities} == plain


def test_no_part_is_large() -> None:
    """A step of growth moves one part; of 50,000 entries none has more than twice its share."""
    wide: PartitionedDict[str, int] = PartitionedDict()
    identities = HashSet()
    for number in range(50_000):
        key = f"{number:08x}-0000-4000-8000-{number * 7919:012x}"
        wide[key] = number
        identities.add(key)
    for parts in (wide._parts, identities._parts):
        assert max(map(len, parts)) < 2 * 50_000 // PARTS


def test_a_wide_dict_may_change_while_it_is_iterated() -> None:
    """What is in it from the beginning to the end is met once."""
    wide: PartitionedDict[str, int] = PartitionedDict()
    for number in range(2000):
        wide[str(number)] = number
    met = []
    for key in wide:
        met.append(key)
        del wide[key]
        wide[f"new {key}"] = 0
    assert {key for key in met if not key.startswith("new")} == set(map(str, range(2000)))
    assert len(met) == len(set(met))
