"""Who schedules: kube-scheduler alone, with an extender beside it, or with the NodeResourceTopologyMatch plugin.

All have the configuration of deploy/scheduler (percentageOfNodesToScore 100 among it), changed alike where the run asks
for it: no leader election, and a client that is never throttled. Every run starts new processes.
"""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from bench.shared.report import progress
from bench.throughput.build import ensure_peer
from extender.config.settings import Reply
from tests.kit.cluster.control_plane import ControlPlane, Scheduler
from tests.kit.cluster.processes import Process, free_ports, wait_for
from tests.kit.extender import REPOSITORY, Extender, deployed_scheduler

__all__ = ["CONTESTANTS", "Beside", "Contestant", "beside", "consulted", "scheduling"]

_PLUGIN: Final = "NodeResourceTopologyMatch"
#: What the plugin's README gives for its reserving cache; it advises against less.
_PLUGIN_ARGUMENTS: Final = {"cacheResyncPeriodSeconds": 5, "scoringStrategy": {"type": "LeastAllocated"}}
#: Requests per second: more than any contestant sends.
_CLIENT: Final = {"qps": 5000, "burst": 10000}
_SHIPPED: Final = REPOSITORY / "deploy" / "extender" / "config.yaml"


@dataclass(frozen=True, slots=True)
class Contestant:
    """What runs beside kube-scheduler: the extender `echo` or `fastfit` (with `settings`), or the plugin.

    The echo names `most` nodes at most, 0: all. The plugin is compiled into a kube-scheduler of its own release:
    `plugin_binary`.
    """

    name: str
    title: str
    extender: str = "none"
    plugin_binary: bool = False
    plugin: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    most: int = 0

    @property
    def adds(self) -> bool:
        """Whether it adds anything to kube-scheduler."""
        return self.plugin or self.extender != "none"

    @property
    def peer(self) -> str:
        """The program of bench/peers that it needs; empty if it needs none."""
        if self.plugin_binary:
            return "plugin"
        return "echo" if self.extender == "echo" else ""


#: Every fitting node is named to kube-scheduler.
_NO_SHORTLIST: Final = {"reply": {"shortlist": 0}}

CONTESTANTS: Final = (
    Contestant("none", "kube-scheduler alone"),
    Contestant("fastfit", "with fastfit", extender="fastfit"),
    Contestant("fastfit-full", "with fastfit, no shortlist", extender="fastfit", settings=_NO_SHORTLIST),
    Contestant("echo", "with an extender that does nothing", extender="echo"),
    # No extender can be faster: kube-scheduler's own filters come before it, and with as few names as ours gives back
    # the rest of a cycle costs next to nothing.
    Contestant("bound", "with any 64 nodes, at once", extender="echo", most=Reply().shortlist),
    Contestant("plugin", "with the NodeResourceTopology plugin", plugin_binary=True, plugin=True),
    Contestant("plugin-bare", "the plugin's binary without the plugin", plugin_binary=True),
)


class Beside(NamedTuple):
    """An extender that runs: its URL, and how many filter calls it has answered."""

    url: str
    calls: Callable[[], int]


@contextmanager
def beside(plane: ControlPlane, contestant: Contestant, directory: Path) -> Iterator[Beside | None]:
    """The contestant's extender, ready to be asked; None if it has none."""
    if contestant.extender == "none":
        yield None
    elif contestant.extender == "echo":
        with _echo(directory, contestant.most) as url:
            yield Beside(url, lambda: int(_get(f"{url}/calls")["filter"]))
    else:
        settings = yaml.safe_load(_SHIPPED.read_text()) | contestant.settings
        with Extender(plane.admin_kubeconfig, directory, settings) as ours:
            yield Beside(ours.url, lambda: _answered(ours))


def _answered(ours: Extender) -> int:
    """Filter calls that succeeded; VMs without exclusive CPUs are passed through."""
    return sum(
        int(ours.metric("fastfit_requests_total", verb="filter", outcome=outcome)) for outcome in ("ok", "passed")
    )


@contextmanager
def scheduling(
    plane: ControlPlane, contestant: Contestant, extender: Beside | None, directory: Path
) -> Iterator[Scheduler]:
    """The contestant's scheduler, from the moment its process is started; it may not have read the cluster yet."""
    config = _configure(plane, contestant, extender, directory / "scheduler.yaml")
    command = (ensure_peer("plugin", progress),) if contestant.plugin_binary else (plane.binary, "kube-scheduler")
    (port,) = free_ports(1)
    process = Process(
        "kube-scheduler",
        [
            *(*command, f"--config={config}", "--bind-address=127.0.0.1", f"--secure-port={port}"),
            # It logs as little as by default: the plugin would write lines for every node.
            *("--authorization-always-allow-paths=/metrics", "-v=0"),
        ],
        directory / "kube-scheduler.log",
        {"HOME": str(plane.home)},
    )
    try:
        yield Scheduler(process, port)
    finally:
        process.stop()


def consulted(contestant: Contestant, extender: Beside | None, scheduler: Scheduler) -> int:
    """How often the scheduler asked what the contestant adds to it; 0 if it adds nothing."""
    if extender is not None:
        return extender.calls()
    if not contestant.plugin:
        return 0
    pattern = rf'^scheduler_plugin_evaluation_total{{[^}}]*"Score"[^}}]*"{_PLUGIN}"[^}}]*}} (\S+)$'
    return sum(int(float(count)) for count in re.findall(pattern, scheduler.get("/metrics"), re.MULTILINE))


def _configure(plane: ControlPlane, contestant: Contestant, extender: Beside | None, path: Path) -> Path:
    """Write the configuration of the contestant's scheduler."""
    config = yaml.safe_load(
        deployed_scheduler(extender.url if extender else "", plane.admin_kubeconfig, path).read_text()
    )
    config["leaderElection"] = {"leaderElect": False}
    config["clientConnection"] |= _CLIENT
    if extender is None:
        del config["extenders"]
    if contestant.plugin:
        (profile,) = config["profiles"]
        profile["plugins"]["multiPoint"]["enabled"] = [{"name": _PLUGIN}]
        profile["pluginConfig"] = [{"name": _PLUGIN, "args": _PLUGIN_ARGUMENTS}]
    path.write_text(yaml.safe_dump(config))
    return path


@contextmanager
def _echo(directory: Path, most: int) -> Iterator[str]:
    """The extender that does nothing; its URL."""
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    command = [ensure_peer("echo", progress), *((address, str(most)) if most else (address,))]
    process = Process("echo", command, directory / "echo.log")
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _get(f"{url}/calls"), "the echo extender")
        yield url
    finally:
        process.stop()


def _get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
    return answer
