"""The extender as a process beside a test cluster: the shipped command on two free ports of loopback."""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import yaml

from extender import names
from tests.kit.cluster.processes import Process, free_ports, wait_for

__all__ = ["REPOSITORY", "Extender", "deployed_scheduler"]

REPOSITORY: Final = Path(__file__).parents[2]
_SCHEDULER: Final = REPOSITORY / "deploy" / "scheduler" / "scheduler.yaml"


class Extender:
    """A running `fastfit serve`; `settings` are the fields of its configuration that differ from the defaults."""

    def __init__(self, kubeconfig: Path, directory: Path, settings: Mapping[str, Any] | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.config = directory / "config.yaml"
        self.configure(settings or {})
        self.port, self.ops_port = free_ports(2)
        self._process = Process(
            "extender",
            [
                *(sys.executable, "-c", "from extender.cli import main; main()"),
                *("serve", "--kubeconfig", kubeconfig, "--config", self.config),
                *("--bind", f"127.0.0.1:{self.port}", "--ops-bind", f"127.0.0.1:{self.ops_port}"),
            ],
            directory / "extender.log",
            {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"},
        )

    def __enter__(self) -> Self:
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """What the scheduler's configuration names as urlPrefix."""
        return f"http://127.0.0.1:{self.port}"

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Write the configuration. A running extender applies the fields that may change at run time."""
        whole = {"apiVersion": names.API_VERSION, "kind": names.CONFIG_KIND, **settings}
        new = self.config.with_suffix(".new")
        new.write_text(yaml.safe_dump(whole))
        new.rename(self.config)

    def start(self) -> None:
        """Start it again after `stop`, on the same ports."""
        self._process.start()
        self.wait_ready()

    def stop(self) -> None:
        """End the process as Kubernetes does, with SIGTERM first."""
        self._process.stop()

    def wait_ready(self) -> None:
        """Wait until it has read the cluster."""

        def ready() -> bool:
            self._process.check()
            try:
                self.get("/readyz")
            except urllib.error.HTTPError:
                return False
            return True

        wait_for(ready, "the extender")

    def get(self, path: str) -> str:
        """Read a page of the operations port."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ops_port}{path}", timeout=10) as response:
            return str(response.read().decode())

    def decisions(self, pod: str = "") -> list[dict[str, Any]]:
        """Its last decisions, newest first; of one pod ("namespace/name") or of all."""
        decisions: list[dict[str, Any]] = json.loads(
            self.get(f"/debug/decisions?pod={pod}" if pod else "/debug/decisions")
        )["decisions"]
        return decisions

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry these labels; 0 without any."""
        total = 0.0
        for line in self.get("/metrics").splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(f'{key}="{text}"' in series for key, text in labels.items()):
                total += float(value)
        return total

    def log(self) -> str:
        """Its log so far."""
        return self._process.log.read_text(errors="replace")


def deployed_scheduler(url: str, kubeconfig: Path, path: Path) -> Path:
    """Write the scheduler configuration that deploy/ installs, only its addresses and kubeconfig changed, to `path`."""
    config = yaml.safe_load(_SCHEDULER.read_text())
    config["clientConnection"]["kubeconfig"] = str(kubeconfig)
    for extender in config["extenders"]:
        extender["urlPrefix"] = url
    path.write_text(yaml.safe_dump(config))
    return path
