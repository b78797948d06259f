"""What a run of migrations stands on: hollow kubelets, kube-scheduler, and ours where it takes part, with a listener."""

import json
import time
import urllib.error
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import yaml

from extender import names
from tests.kit.cluster.control_plane import ControlPlane, Scheduler
from tests.kit.cluster.hollow_kubelets import HollowKubelets
from tests.kit.extender import Extender, deployed_scheduler
from tests.kit.wiretap import Message, Wiretap

__all__ = ["Parts", "Predictions", "site"]

Json = dict[str, Any]

#: Seconds for which the picture has not changed; events come within some milliseconds.
_CALM_S: Final = 0.03


class Predictions:
    """What the extender says of a moving VM's targets at the moment when kube-scheduler asks it for one of them."""

    def __init__(self, extender: Extender) -> None:
        self._extender = extender
        self._said: dict[str, dict[str, Json]] = {}

    def ask(self, message: Message) -> None:
        """To be called before a request reaches the extender (Wiretap.before).

        The call is held up until nothing changes there: what woke kube-scheduler may be on its way to the extender still,
        and would come between the question and the decision.
        """
        if not message.first.split()[1].endswith("/filter"):
            return
        meta = json.loads(message.body)["Pod"]["metadata"]
        if names.MIGRATION_UID_LABEL not in meta.get("labels", {}):
            return
        path = f"/debug/targets/{meta['namespace']}/{meta['ownerReferences'][0]['name']}?nodes=1000"
        said: Json = {}
        while (now := self._get(path)).get("generation") != said.get("generation", -1):
            said = now
            time.sleep(_CALM_S)
        self._said[meta["uid"]] = {node["node"]: node for node in said.get("nodes", ())}

    def _get(self, path: str) -> Json:
        try:
            answer: Json = json.loads(self._extender.get(path))
        except urllib.error.HTTPError:
            return {"generation": -1}  # no such VM
        return answer

    def of(self, uid: str, node: str) -> Json:
        """The last word on this target and node before it was decided; empty: there was none."""
        return self._said.get(uid, {}).get(node, {})


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs. Ours takes part where there are predictions."""

    kubelets: HollowKubelets
    scheduler: Scheduler
    predictions: Predictions | None


@contextmanager
def site(plane: ControlPlane, fleet: Sequence[Json], scheduler: str) -> Iterator[Parts]:
    """These nodes under kube-scheduler: "default" as it comes, "fastfit" with the shipped file and the extender."""
    with plane.hollow_kubelets(fleet, facts=True) as kubelets:
        if scheduler == "default":
            with plane.scheduler() as running:
                yield Parts(kubelets, running, None)
            return
        plane.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.SCHEDULER_NAME}})
        home = Path(mkdtemp(prefix="site-", dir=plane.home))
        with Extender(plane.admin_kubeconfig, home) as extender:
            predictions = Predictions(extender)
            with Wiretap(extender.port, predictions.ask) as wiretap:
                path = deployed_scheduler(wiretap.url, plane.admin_kubeconfig, home / "scheduler.yaml")
                # Back-offs as short as those of the default scheduler here: nobody wants to wait for minutes.
                config = yaml.safe_load(path.read_text()) | {"podInitialBackoffSeconds": 1, "podMaxBackoffSeconds": 1}
                path.write_text(yaml.safe_dump(config))
                with plane.scheduler(path) as running:
                    yield Parts(kubelets, running, predictions)
