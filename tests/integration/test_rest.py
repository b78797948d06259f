"""On a cluster where nothing happens: no hot loop, and no call lost to a connection that idled too long."""

import time

from tests.integration.conftest import Resting
from tests.kit.instance_types import CX1_2XLARGE

#: Longer than the 90 s after which Go's client closes an idle connection, and than aiohttp's usual 75 s.
IDLE_S = 100


def test_waiting_vm_is_not_asked_about_again_and_the_next_call_succeeds(resting: Resting) -> None:
    """A VM that fits nowhere gets a constant answer, so it rests; after 100 s without a call the next VM is placed.

    An answer that changed from attempt to attempt would be written to the pod, which wakes it: an endless loop.
    """
    here = resting.site
    calls = len(here.wiretap.calls)
    time.sleep(max(0.0, resting.since + IDLE_S - time.monotonic()))
    assert [call.verb for call in here.wiretap.calls[calls:]] == []
    texts = [call.answer for call in here.wiretap.of(resting.waiting, "filter")]
    assert all(text == texts[0] for text in texts)
    pod = here.vm("after-the-rest", CX1_2XLARGE)
    assert here.node_of(pod)
    assert here.verdict(pod)["admitted"]
    assert [call.verb for call in here.wiretap.of(pod)] == ["filter", "prioritize"]
    assert here.now(resting.waiting)["status"]["phase"] == "Pending"
