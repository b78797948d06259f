"""A site of its own that rests in the background while the other tests run.

It is here because it starts before the first test of this folder, and of no other one.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.instance_types import CX1_8XLARGE
from tests.kit.site import Object, Site, node, site


@dataclass(frozen=True, slots=True)
class Resting:
    """A site on which nothing happens. `waiting` fits nowhere; `since` is when all had come to rest."""

    site: Site
    waiting: Object
    since: float


@pytest.fixture(scope="session", autouse=True)
def _rest_early(request: pytest.FixtureRequest) -> None:
    """Bring the resting site up before the first test, if any test will ask for it."""
    if any("resting" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("resting")


@pytest.fixture(scope="session")
def resting(cluster_binary: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resting]:
    """A cluster of its own, where a VM waits that fits nowhere and nothing else happens."""
    fleet = [node("lab-1", "H29", "single-numa-node", pages=64), node("lab-2", "H29", "single-numa-node", pages=64)]
    with ControlPlane() as plane, site(plane, fleet, tmp_path_factory.mktemp("resting")) as running:
        waiting = running.vm("too-wide", CX1_8XLARGE)
        running.refusal(waiting)
        # What the attempts themselves write (condition, event) is the last that happens.
        seen = -1
        while seen != len(running.wiretap.calls):
            seen = len(running.wiretap.calls)
            time.sleep(5)
        yield Resting(running, waiting, time.monotonic())
