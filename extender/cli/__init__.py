"""The `fastfit` command (and `kubectl fastfit`, the same program). One file per sub-command."""

import importlib
import sys
import traceback
from pathlib import Path
from typing import Final

import click

from extender import __version__
from extender.cli.exits import Exit, complain, epilog
from extender.errors import ClusterError, FastfitError

__all__ = ["main", "program"]

#: Sub-command -> module and function. Imported when used: `explain` needs no HTTP server.
_COMMANDS: Final = {
    "serve": "extender.cli.serve:serve",
    "explain": "extender.cli.explain:explain",
    "targets": "extender.cli.targets:targets",
    "admit": "extender.cli.admit:admit",
    "snapshot": "extender.cli.snapshot:snapshot",
    "demo": "extender.cli.demo:demo",
    "check-config": "extender.cli.check_config:check_config",
}


class _Program(click.Group):
    """Loads sub-commands late and turns our errors into one line on standard error and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ClusterError as error:
            complain(str(error))
            ctx.exit(Exit.CLUSTER)
        except FastfitError as error:
            complain(str(error))
            ctx.exit(Exit.USAGE)


@click.group(
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
    epilog=epilog(
        "fastfit demo                                      try it on a bundled cluster",
        "fastfit explain -n vms virt-launcher-db-7x2kp     why a pod fits, or does not, on each node",
        "fastfit targets -n vms db                         where a running VM could migrate to, and how well",
        "fastfit snapshot -o cluster.json                  save what the cluster shows",
        "fastfit explain --snapshot cluster.json my.yaml   the same, offline",
        "fastfit admit --machine node.json --pod my.yaml   what one node's kubelet would do, step by step",
        "fastfit serve --config fastfit.yaml               answer kube-scheduler",
    ),
)
@click.version_option(__version__, prog_name="fastfit")
def program() -> None:
    """Places KubeVirt VMs by NUMA-zone fit: a kube-scheduler extender, and its tools."""


def main() -> None:
    """Entry point of both console scripts. A bug ends with a traceback and an exit code of its own."""
    plugin = Path(sys.argv[0]).name.startswith("kubectl-")
    try:
        program(prog_name="kubectl fastfit" if plugin else "fastfit")
    except Exception:  # noqa: BLE001 - Python's own exit code 1 already means "the answer is no"
        traceback.print_exc()
        complain("internal error; please report it with the lines above")
        sys.exit(Exit.INTERNAL)
