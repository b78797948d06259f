"""The ring of decisions."""

import orjson
import pytest

from extender.observe.decisions import Decision, DecisionLog


def decision(name="vm", uid=None, **fields):
    """A decision about ns/NAME."""
    return Decision("filter", "ns", name, uid or name, "8 CPUs", "enforce", 7, **fields)


def test_the_newest_come_first_and_the_oldest_go():
    """Three of five are left."""
    log = DecisionLog(3)
    for number in range(5):
        log.add(decision(f"vm{number}"))
    assert [kept.name for kept in log.select()] == ["vm4", "vm3", "vm2"]
    assert len(log) == 3


def test_a_record_carries_the_time_of_day_and_calls_are_timed():
    """Time counts from `begin`; before the first there is none."""
    log = DecisionLog(3, clock=lambda: 1000.5)
    first = decision()
    log.add(first)
    assert first.time == 1000.5
    assert log.micros() == 0
    log.begin()
    assert 0 <= log.micros() < 20_000_000


def test_what_the_kubelet_did_is_noted_at_the_last_decision():
    """Of several for one pod the newest is the one that placed it."""
    log = DecisionLog(5)
    old, new = decision(uid="u"), decision(uid="u")
    log.add(old)
    log.add(new)
    assert log.note_outcome("u", "admitted") is new
    assert (old.afterwards, new.afterwards) == ("", "admitted")
    assert log.note_outcome("nobody", "admitted") is None


def test_forgotten_decisions_are_forgotten_whole():
    """Nothing is kept beside the ring."""
    log = DecisionLog(2)
    for number in range(50):
        log.add(decision(uid=f"u{number}"))
    assert log.note_outcome("u0", "late") is None
    assert len(log._latest) == 2
    # a pod that is asked about again survives the eviction of its older record
    log.add(decision(uid="u49"))
    log.add(decision(uid="x"))
    assert log.note_outcome("u49", "seen") is not None


def test_the_json_has_every_field():
    """And can be narrowed to one pod."""
    log = DecisionLog(5, clock=lambda: 1.0)
    log.add(decision("a", counts={"Fits": 3}, best="n1", zones=(0, 1), offered=9, outcome="ok"))
    log.add(decision("b"))
    entries = orjson.loads(log.to_json("ns/a"))["decisions"]
    assert entries == [
        {
            "verb": "filter", "namespace": "ns", "name": "a", "uid": "a", "demand": "8 CPUs", "mode": "enforce",
            "generation": 7, "offered": 9, "counts": {"Fits": 3}, "best": "n1", "zones": [0, 1], "outcome": "ok",
            "afterwards": "", "time": 1.0, "micros": 0,
        }
    ]  # fmt: skip
    assert len(orjson.loads(log.to_json())["decisions"]) == 2


@pytest.mark.parametrize("capacity", [0, 1])
def test_a_ring_holds_at_least_one(capacity):
    """A capacity of nothing would keep everything in a deque."""
    log = DecisionLog(capacity)
    log.add(decision("a"))
    log.add(decision("b"))
    assert [kept.name for kept in log.select()] == ["b"]
