"""Last layouts in memory: whom to believe, what is to be written, and how much is kept."""

import pytest

from extender.cache.vms import last_layout
from extender.cache.vms.last_layout import Kept, LastLayouts, Trust, outdated
from extender.cache.vms.layout_entry import SHARDS, Stated


def uid(number: int, shard: int = 0) -> str:
    """The UID of a VM."""
    return f"{shard:x}{number:07x}-0000-4000-8000-000000000000"


def written(kept: LastLayouts, shard: int = 0) -> dict[str, Kept]:
    """Everything that is handed out for a ConfigMap."""
    found = {}
    while (one := kept.unwritten(SHARDS[shard])) is not None:
        assert one[0] not in found
        found[one[0]] = one[1]
    return found


@pytest.mark.parametrize("seen", [Trust.KNOWN, Trust.WORKED_OUT])
def test_what_we_saw_is_believed_before_what_is_stated(seen: Trust) -> None:
    """Whichever comes first; what is stated later replaces only what was stated before."""
    kept = LastLayouts()
    kept.read(uid(1), (8,))
    kept.read(uid(1), (6, 2))
    assert kept.split(uid(1)) == (6, 2)
    assert not kept.was_seen(uid(1))
    kept.update(uid(1), (4, 4), seen)
    kept.read(uid(1), (8,))
    assert kept.split(uid(1)) == (4, 4)
    assert kept.was_seen(uid(1))
    assert kept.split(uid(2)) == ()


def test_what_is_only_read_is_not_written() -> None:
    """Reading makes no work."""
    kept = LastLayouts()
    kept.read(uid(1), (8,))
    assert not any(map(kept.waits, SHARDS))
    assert written(kept) == {}


def test_each_change_is_handed_out_once() -> None:
    """A new VM, another layout, a better reason, a new start; the same again is nothing. Given back, it comes again."""
    kept = LastLayouts()
    kept.update(uid(1), (8,), Trust.WORKED_OUT)
    assert [kept.waits(shard) for shard in SHARDS] == [True, *[False] * 15]
    assert written(kept) == {uid(1): Kept((8,), Trust.WORKED_OUT)}
    kept.update(uid(1), (8,), Trust.WORKED_OUT)
    assert written(kept) == {}
    kept.update(uid(1), (8,), Trust.KNOWN)
    assert written(kept) == {uid(1): Kept((8,), Trust.KNOWN)}
    kept.update(uid(1), (4, 4), Trust.KNOWN)
    assert written(kept) == {uid(1): Kept((4, 4), Trust.KNOWN)}
    kept.update(uid(1), (4, 4), Trust.KNOWN, starts=True)
    assert written(kept) == {uid(1): Kept((4, 4), Trust.KNOWN)}
    kept.give_back(uid(1))
    assert written(kept) == {uid(1): Kept((4, 4), Trust.KNOWN)}


def test_strange_uids_are_remembered_and_nowhere_written() -> None:
    """What has no ConfigMap stays in memory."""
    kept = LastLayouts()
    kept.update("a VM", (8,), Trust.KNOWN)
    assert kept.split("a VM") == (8,)
    assert not any(map(kept.waits, SHARDS))


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each ConfigMap the VM that was seen longest ago goes, and is not written; what is only stated takes no other's
    place.
    """
    monkeypatch.setattr(last_layout, "MOST", 3)
    kept = LastLayouts()
    kept.update(uid(1), (8,), Trust.KNOWN)
    kept.update(uid(2), (8,), Trust.KNOWN)
    kept.update(uid(6, 9), (8,), Trust.KNOWN)
    for number in (3, 4):
        kept.read(uid(number), (8,))
    assert [bool(kept.split(vm)) for vm in (uid(1), uid(2), uid(3), uid(4))] == [True, True, True, False]
    kept.update(uid(1), (8,), Trust.KNOWN)
    kept.update(uid(5), (8,), Trust.KNOWN)
    assert [bool(kept.split(vm)) for vm in (uid(1), uid(2), uid(3), uid(5))] == [True, False, True, True]
    assert written(kept).keys() == {uid(1), uid(5)}
    assert written(kept, 9).keys() == {uid(6, 9)}


@pytest.mark.parametrize(
    ("split", "trust", "stated", "expected"),
    [
        ((8,), Trust.KNOWN, None, True),
        ((8,), Trust.WORKED_OUT, None, True),
        ((8,), Trust.KNOWN, Stated("2026-11-20", (4, 4)), True),
        ((8,), Trust.WORKED_OUT, Stated("2026-11-20", (4, 4)), False),
        ((8,), Trust.KNOWN, Stated("2026-11-20", (8,)), False),
        ((8,), Trust.KNOWN, Stated("2026-10-25", (8,)), True),
        ((8,), Trust.WORKED_OUT, Stated("2026-10-25", (4, 4)), False),
    ],
)
def test_an_entry_is_written_where_it_differs(
    split: tuple[int, ...], trust: Trust, stated: Stated | None, expected: bool
) -> None:
    """None yet, another layout if ours is certain, or so old that it would soon be dropped."""
    assert outdated(Kept(split, trust), stated, "2026-10-26") is expected
