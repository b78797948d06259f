"""The running hollow kubelets, and the truth that they write down."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.kit.cluster.processes import Process, wait_for

__all__ = ["HollowKubelets"]


class HollowKubelets:
    """The kubelets of a set of simulated nodes, in one process.

    A node is a dict with `name`, `kubelet` and `machine` (golden format), and optionally `labels`, `annotations`,
    `devices` ({resource: {zone id: count}}), `capacity` ({resource without zones: quantity}), `kubeletVersion`, and
    `nrt`, which overrides the mode for this node.
    """

    def __init__(
        self,
        binary: Path,
        kubeconfig: Path,
        directory: Path,
        nodes: Sequence[Mapping[str, Any]],
        *,
        nrt: str = "exact",
        nrt_lag: float = 0,
        facts: bool = False,
        fingerprint: bool = False,
        start_containers: bool = True,
    ) -> None:
        directory.mkdir(parents=True)
        nodes_file, self.state_file = directory / "nodes.json", directory / "state.json"
        nodes_file.write_text(json.dumps(list(nodes)))
        self.count = len(nodes)
        self.process = Process(
            directory.name,
            [
                *(binary, "hollow-kubelets", "--kubeconfig", kubeconfig, "--nodes", nodes_file),
                *("--state-file", self.state_file, "--state-dir", directory / "managers"),
                *("--nrt", nrt, "--nrt-lag", f"{nrt_lag}s", f"--facts={json.dumps(facts)}"),
                *(f"--fingerprint={json.dumps(fingerprint)}", f"--start-containers={json.dumps(start_containers)}"),
            ],
            directory / "log",
        )

    def wait_ready(self) -> None:
        """Wait until all nodes are registered, what was bound before is admitted, and the zones are published."""
        self._wait(lambda: self.state_file.exists() and self.state()["ready"], "the hollow kubelets", 60 + self.count)

    def state(self) -> dict[str, Any]:
        """Read the truth: {ready, admitted, refused, refusedByReason, nodes: {name: {admitted, refused, pods: [..]}}}.

        A pod is {order, uid, namespace, name, admitted, reason, message, active, containers: {name: {cpus, hint,
        preferred, memory: [{resource, numa, bytes}], devices}}}. A verdict is in the file before it is in the API.
        """
        state: dict[str, Any] = json.loads(self.state_file.read_text())
        return state

    def verdict(self, uid: str) -> dict[str, Any]:
        """Wait for the verdict on a pod that is, or will be, bound to one of the nodes."""

        def find() -> dict[str, Any] | None:
            pods = (pod for node in self.state()["nodes"].values() for pod in node["pods"])
            return next((pod for pod in pods if pod["uid"] == uid), None)

        found = self._wait(find, f"the verdict on pod {uid}", 60)
        assert isinstance(found, dict)
        return found

    def wait_released(self, uid: str) -> None:
        """Wait until a pod that was admitted holds nothing any more."""
        self._wait(lambda: not self.verdict(uid)["active"], f"the release of pod {uid}", 60)

    def restart(self) -> None:
        """Restart the kubelets: the managers take up their state files and admit the bound pods again."""
        self.process.stop()
        self.state_file.unlink()
        self.process.start()
        self.wait_ready()

    def stop(self) -> None:
        self.process.stop()

    def _wait(self, check: Any, what: str, patience: float) -> object:
        def checked() -> object:
            self.process.check()
            return check()

        return wait_for(checked, what, patience)
