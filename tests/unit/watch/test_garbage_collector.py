"""The garbage collector has little to walk, whatever comes and goes."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from extender.garbage_collector import Collector

_OBJECTS = 6000


@pytest.fixture(name="store")
def _store() -> Iterator[list[list[int]]]:
    """A picture of many objects, frozen as one is after its list."""
    made: list[list[int]] = [[] for _ in range(_OBJECTS)]
    gc.collect()
    gc.freeze()
    yield made
    gc.unfreeze()


def looking() -> Collector:
    """One that has begun its work at second 0."""
    collector = Collector()
    collector.look(0.0)
    return collector


def _replace(store: list[list[int]], collector: Collector) -> list[int]:
    """Every object by a new one, with a look now and then; how many young ones each collection began with."""
    young: list[int] = []

    def note(phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            young.append(len(gc.get_objects(generation=0)))

    gc.callbacks.append(note)
    try:
        for number in range(len(store)):
            store[number] = []
            if number % 300 == 299:
                collector.look(1.0)
    finally:
        gc.callbacks.remove(note)
    return young


def test_objects_that_replace_frozen_ones_are_walked_before_they_are_many(store: list[list[int]]) -> None:
    """Python's own trigger would never see them: as many are freed as are made."""
    young = _replace(store, looking())
    assert len(young) >= _OBJECTS // 300
    assert max(young) < 1000


def test_what_survives_is_frozen_and_not_walked_again(store: list[list[int]]) -> None:
    """Else the survivors of hours would be walked at once, some day."""
    collector = looking()
    frozen = gc.get_freeze_count()
    store.clear()
    assert frozen - gc.get_freeze_count() >= _OBJECTS
    store.extend([] for _ in range(_OBJECTS))
    for _ in range(3):
        collector.look(1.0)
    assert gc.get_freeze_count() >= frozen
    assert len(gc.get_objects(generation=1)) + len(gc.get_objects(generation=2)) < 2000


@pytest.mark.usefixtures("store")
def test_a_cycle_that_was_frozen_is_freed_within_a_day() -> None:
    """The daily walk takes in what is frozen."""

    class Node:
        me: "Node"

    ended: list[int] = []
    node = Node()
    node.me = node
    collector = looking()
    gc.freeze()
    weakref.finalize(node, ended.append, 1)
    del node
    collector.look(1.0)
    assert not ended
    collector.look(90_000.0)
    assert ended


@pytest.mark.usefixtures("store")
def test_it_stays_away_while_a_list_is_gathered() -> None:
    """A pause is a pause."""
    collections: list[str] = []
    collector = looking()

    def note(phase: str, _info: dict[str, int]) -> None:
        collections.append(phase)

    gc.disable()
    gc.callbacks.append(note)
    try:
        collector.look(1.0)
    finally:
        gc.callbacks.remove(note)
        gc.enable()
    assert not collections
