"""The programs of a run of migrations: hollow kubelets, kube-scheduler, and where it takes part the extender."""

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

#: Seconds without a change of the extender's cache; events arrive within some milliseconds.
_CALM_S: Final = 0.03


class Predictions:
    """What the extender predicts for a migration's targets when kube-scheduler asks it about the target pod."""

    def __init__(self, extender: Extender) -> None:
        self._extender = extender
        self._predicted: dict[str, dict[str, Json]] = {}

    def ask(self, message: Message) -> None:
        """Record the predictions before a request reaches the extender; for Wiretap.before.

        The request waits until the cache stops changing. Otherwise the event that woke kube-scheduler could reach the
        extender between the prediction and the decision.
        """
        if not message.first.split()[1].endswith("/filter"):
            return
        meta = json.loads(message.body)["Pod"]["metadata"]
        if names.MIGRATION_UID_LABEL not in meta.get("labels", {}):
            return
        path = f"/debug/targets/{meta['namespace']}/{meta['ownerReferences'][0]['name']}?nodes=1000"
        last: Json = {}
        while (now := self._get(path)).get("generation") != last.get("generation", -1):
            last = now
            time.sleep(_CALM_S)
        self._predicted[meta["uid"]] = {node["node"]: node for node in last.get("nodes", ())}

    def _get(self, path: str) -> Json:
        try:
            answer: Json = json.loads(self._extender.get(path))
        except urllib.error.HTTPError:
            return {"generation": -1}  # no such VM
        return answer

    def of(self, uid: str, node: str) -> Json:
        """The last prediction for this target and node before the decision; empty: there was none."""
        return self._predicted.get(uid, {}).get(node, {})


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs. The extender takes part where there are predictions."""

    kubelets: HollowKubelets
    scheduler: Scheduler
    predictions: Predictions | None


@contextmanager
def site(plane: ControlPlane, fleet: Sequence[Json], scheduler: str) -> Iterator[Parts]:
    """Run these nodes under a scheduler: "default" without extender, "fastfit" with the shipped file and the extender."""
    with plane.hollow_kubelets(fleet, facts=True) as kubelets:
        if scheduler == "default":
            with plane.scheduler() as running:
                yield Parts(kubelets, running, None)
            return
        plane.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.SCHEDULER_NAME}})
        directory = Path(mkdtemp(prefix="site-", dir=plane.home))
        with Extender(plane.admin_kubeconfig, directory) as extender:
            predictions = Predictions(extender)
            with Wiretap(extender.port, predictions.ask) as wiretap:
                path = deployed_scheduler(wiretap.url, plane.admin_kubeconfig, directory / "scheduler.yaml")
                # The same short back-offs as the default scheduler has here, so that a run takes no minutes of waiting.
                config = yaml.safe_load(path.read_text()) | {"podInitialBackoffSeconds": 1, "podMaxBackoffSeconds": 1}
                path.write_text(yaml.safe_dump(config))
                with plane.scheduler(path) as running:
                    yield Parts(kubelets, running, predictions)
