"""A bounded dict or set keeps the newest entries, and is a dict or set otherwise."""

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extender.bounded import BoundedDict, BoundedSet


def _dict(limit: int, text: str) -> BoundedDict[str, int]:
    entries: BoundedDict[str, int] = BoundedDict(limit)
    for number, key in enumerate(text):
        entries[key] = number
    return entries


def test_the_oldest_entry_goes() -> None:
    assert dict(_dict(3, "abcd")) == {"b": 1, "c": 2, "d": 3}


def test_a_new_value_keeps_the_keys_place() -> None:
    entries = _dict(3, "abca")
    assert list(entries.items()) == [("a", 3), ("b", 1), ("c", 2)]
    entries["d"] = 4
    assert "a" not in entries


def test_an_entry_moved_to_the_end_goes_last() -> None:
    entries = _dict(3, "abc")
    entries.move_to_end("a")
    entries["d"] = 4
    assert list(entries) == ["c", "a", "d"]
    assert list(reversed(entries)) == ["d", "a", "c"]
    with pytest.raises(KeyError):
        entries.move_to_end("b")


def test_put_returns_what_had_to_go() -> None:
    entries = _dict(2, "a")
    assert entries.put("b", 1) is None
    assert entries.put("b", 2) is None
    assert entries.put("c", 3) == "a"
    assert dict(entries) == {"b": 2, "c": 3}


def test_a_lower_limit_lets_the_oldest_go_at_once() -> None:
    entries = _dict(4, "abcd")
    entries.limit = 2
    assert list(entries) == ["c", "d"]
    entries.limit = 3
    entries["e"] = 5
    assert list(entries) == ["c", "d", "e"]
    assert entries.limit == 3


def test_a_limit_of_zero_keeps_nothing_and_none_is_negative() -> None:
    entries = _dict(0, "ab")
    assert not entries
    assert entries.put("c", 1) == "c"
    for make in (BoundedDict, BoundedSet):
        with pytest.raises(ValueError, match="-1"):
            make(-1)
    with pytest.raises(ValueError, match="-2"):
        entries.limit = -2


def test_the_rest_is_as_in_a_dict() -> None:
    entries = _dict(3, "ab")
    assert entries["a"] == entries.get("a") == 0
    assert entries.get("x") is None
    assert entries.get("x", 7) == 7
    with pytest.raises(KeyError):
        entries["x"]
    assert entries.pop("a") == 0
    assert entries.pop("a", None) is None
    del entries["b"]
    assert len(entries) == 0
    entries.update(_dict(3, "cd"))
    assert entries == {"c": 0, "d": 1}
    assert entries.popitem() == ("c", 0)
    entries.clear()
    assert not entries
    with pytest.raises(KeyError):
        entries.popitem()


@given(
    st.integers(0, 4),
    st.lists(st.tuples(st.sampled_from(("set", "put", "pop", "move")), st.integers(0, 5)), max_size=40),
)
def test_it_equals_an_ordered_dict_that_is_cut_after_each_change(limit: int, steps: list[tuple[str, int]]) -> None:
    ours: BoundedDict[int, int] = BoundedDict(limit)
    plain: OrderedDict[int, int] = OrderedDict()
    for number, (step, key) in enumerate(steps):
        gone: int | None = None
        if step == "pop":
            assert ours.pop(key, None) == plain.pop(key, None)
            continue
        if step == "move":
            if key in plain:
                ours.move_to_end(key)
                plain.move_to_end(key)
            continue
        plain[key] = number
        if len(plain) > limit:
            gone, _ = plain.popitem(last=False)
        if step == "put":
            assert ours.put(key, number) == gone
        else:
            ours[key] = number
        assert list(ours.items()) == list(plain.items())


def test_a_set_keeps_its_newest_members() -> None:
    members: BoundedSet[str] = BoundedSet(3)
    for member in "abcad":
        members.add(member)
    assert list(members) == ["b", "c", "d"]
    members.move_to_end("b")
    members.add("e")
    assert list(members) == ["d", "b", "e"]
    assert "c" not in members
    assert len(members) == 3
    members.discard("c")
    members.discard("b")
    assert members.pop() == "d"
    members.clear()
    assert not members
    with pytest.raises(KeyError):
        members.pop()
    with pytest.raises(KeyError):
        members.move_to_end("x")
