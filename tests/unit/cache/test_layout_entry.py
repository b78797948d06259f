"""Last layouts as text: what is written, what is believed, and that all of it fits into sixteen objects."""

import uuid
from collections import Counter
from random import Random

import pytest

from extender.cache.vms.layout_entry import MOST, SHARDS, Stated, layout_text, shard_of, stated_in

UID = "6f9c0ed1-1d5c-4c43-9f0e-1b0f6a0c7a55"
SIX = "fastfit-layouts-6"
DAY = "2026-11-25"


@pytest.mark.parametrize("split", [(8,), (8, 8), (5, 3), (9999,) * 16])
def test_what_is_written_is_read(split: tuple[int, ...]) -> None:
    """One cell, some, and the most."""
    text = layout_text(DAY, split)
    assert stated_in(SIX, UID, text) == Stated(DAY, split)


def test_the_text_is_for_people_too() -> None:
    """The day, and vCPUs of each cell as explain shows them."""
    assert layout_text(DAY, (5, 3)) == "2026-11-25 5+3"


@pytest.mark.parametrize("split", [(), (0,), (10000,), (1,) * 17, (-1, 9)])
def test_what_has_no_form_is_not_written(split: tuple[int, ...]) -> None:
    """No cell, an empty one, more than any guest has."""
    assert layout_text(DAY, split) == ""


@pytest.mark.parametrize(
    "value",
    [
        "", "8+8", DAY, f"{DAY} ", f"{DAY} 8+", f"{DAY} +8", f"{DAY} 08", f"{DAY} 0", f"{DAY} 8,8", f"{DAY}  8", f"{DAY} 8 ",
        f"{DAY} 8\n", f" {DAY} 8", f"{DAY} 10000", f"{DAY} -8", f"{DAY} {'+'.join('1' * 17)}", "26-11-25 8", f"{DAY}T08 8",
        "٢٠٢٦-١١-٢٥ ٨", f"{DAY} {'9' * 100_000}", f"{DAY} {'1+' * 50_000}1", '{"v":1}',
    ],
    ids=lambda value: f"{ascii(value[:20])} {len(value)}",
)  # fmt: skip
def test_other_values_are_not_believed(value: str) -> None:
    """Exactly one form is; a line break, digits of another script and endless numbers are not."""
    assert stated_in(SIX, UID, value) is None


@pytest.mark.parametrize(
    "uid",
    [
        "",
        "6",
        "..",
        UID.upper(),
        UID + "0",
        UID[:-1],
        f"{UID}\n",
        UID.replace("-", ""),
        "g" + UID[1:],
        "vm-database",
        "0" * 9000,
    ],
    ids=lambda uid: f"{ascii(uid[:2])}{ascii(uid[-2:])}{len(uid)}",
)
def test_other_keys_are_not_believed(uid: str) -> None:
    """Only UIDs of the API server's form; they have no ConfigMap either."""
    assert stated_in(SIX, uid, f"{DAY} 8") is None
    assert shard_of(uid) == ""


def test_an_entry_is_believed_in_its_own_place_only() -> None:
    """Else one VM could have sixteen."""
    assert [shard for shard in SHARDS if stated_in(shard, UID, f"{DAY} 8")] == [SIX] == [shard_of(UID)]


def test_fifty_thousand_vms_fit() -> None:
    """UIDs as the API server makes them spread over the ConfigMaps, and none is full."""
    random = Random(7)
    counts = Counter(shard_of(str(uuid.UUID(int=random.getrandbits(128), version=4))) for _ in range(50_000))
    assert counts.keys() == set(SHARDS)
    assert max(counts.values()) < 3400 < MOST


def test_a_full_object_stays_below_its_limits() -> None:
    """1 MiB of values at the API server, 1.5 MiB in etcd with keys, tags and managedFields ("f:UID":{}, and a comma)."""
    longest = len(layout_text(DAY, (9999,) * 16))
    assert MOST * longest < 2**20
    tags, noted = 9, len(f'"f:{UID}":{{}},')
    assert MOST * (len(UID) + longest + tags + noted) < 2**20
