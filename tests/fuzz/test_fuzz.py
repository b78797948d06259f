"""A bounded part of the campaigns on the kernel as shipped; the long part runs on the sanitizers' build (tests/unit/house)."""

import os
import time

import pytest

from _fastfit import BACKEND
from extender.verbs.reply import Reply
from extender.verbs.service import Verbs
from extender.wire.replies import NO_SCORES
from tests.fuzz.campaign import Campaign
from tests.fuzz.mutator import body, corpus
from tests.fuzz.oracle import Finding, truth

SECONDS = min(20.0, float(os.environ.get("FASTFIT_FUZZ_SECONDS", "20")))
#: Another campaign, other bodies; a failure names the campaign and the body.
CAMPAIGN = int(os.environ.get("FASTFIT_FUZZ_SEED", "1"))


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 300)
def test_hostile_bodies_never_pass_in_silence() -> None:
    """Every body gets the answer that its truth allows, and nothing raises."""
    if BACKEND != "cython":
        if os.environ.get("CI") == "true":
            pytest.fail("the compiled kernel is not built")
        pytest.skip("the compiled kernel is not built, and the twin cannot crash: run `make install`")
    seeds, run, number = corpus(), Campaign(), 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end or number < 500:
        text = body(seeds, CAMPAIGN, number)
        try:
            run.try_body(text)
        except Exception as error:
            error.add_note(f"body {number} of campaign {CAMPAIGN}: {text[:2000]!r}")
            raise
        number += 1
    assert run.counts["bad_request"] > number // 10
    assert run.counts["ok"] > number // 100
    assert run.counts["passed"] > number // 100
    print(f"{number} bodies, {run.counts}")


def test_seeds_are_good_or_once_found_a_fault() -> None:
    """Each seed is tried as it is; some are bodies of kube-scheduler, which must be answered."""
    run = Campaign()
    for seed in corpus():
        run.try_body(seed)
    assert run.counts["ok"] >= 3
    assert run.counts["passed"] >= 1


def test_a_campaign_is_the_same_every_time() -> None:
    """A number and a seed name a body, so that a failure can be repeated."""
    seeds = corpus()
    assert [body(seeds, 7, n) for n in range(50)] == [body(seeds, 7, n) for n in range(50)]
    assert body(seeds, 7, 3) != body(seeds, 8, 3)


class Careless(Verbs):
    """Keeps every node without reading."""

    def __init__(self) -> None:
        pass

    def filter(self, body: bytes, now: float) -> Reply:
        return Reply(200, b'{"NodeNames":["a"],"FailedNodes":{},"FailedAndUnresolvableNodes":{},"Error":""}', "ok")

    def prioritize(self, body: bytes, now: float) -> Reply:
        return Reply(200, NO_SCORES, "ok")


def test_the_oracle_sees_a_silent_pass() -> None:
    """A server that answers what it cannot read is found out."""
    run = Campaign(Careless())
    with pytest.raises(Finding, match="silent pass"):
        run.try_body(b'{"Pod":{},"NodeNames":["a"]')


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b'{"Pod":{},"NodeNames":["a"]}', ""),
        (b' {"Pod":{},"NodeNames":[1],"Nodes":null,"x":1e999} \n', ""),
        (b'{"Pod":{},"NodeNames":["a"],"Pod":{}}', "twice"),
        (b'{"P\\u006fd":{},"NodeNames":["a"],"Pod":{}}', "twice"),
        (b'{"Pod":{},"NodeNames":["\\ud800"]}', "not JSON"),
        (b'{"Pod":{},"NodeNames":["a"],"x":NaN}', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"Pod":{},"NodeNames":["a"],"x":' + b"[" * 64 + b"]" * 64 + b"}", "nested 65 deep"),
        (b'{"Pod":{},"NodeNames":["a"],"Nodes":{}}', "Nodes is set"),
        (b'{"Pod":null,"NodeNames":["a"]}', "no Pod"),
        (b'{"Pod":{},"NodeNames":null}', "no list"),
        (b"[]", "not an object"),
    ],
)
def test_the_oracle_knows_bodies_by_name(text: bytes, fault: str) -> None:
    """The oracle itself, case by case."""
    found = truth(text).fault
    assert fault in found
    assert bool(found) is bool(fault)
