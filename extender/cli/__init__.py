"""The `fastfit` command (and `kubectl fastfit`, the same program). One file per sub-command."""

import errno
import importlib
import os
import sys
import traceback
from contextlib import suppress
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


#: What writing to standard output fails with; files that are read and written have errors of their own.
_NOT_WRITTEN: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


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
    """Entry point of both console scripts. Whatever ends a command gets its exit code: Python's and click's own code 1
    already means "the answer is no". A bug ends with a traceback and a code of its own.
    """
    try:
        code = _run()
        # What is still in the buffer is a part of the answer.
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except BrokenPipeError:
        code = Exit.PIPE
    except Exception as error:  # noqa: BLE001 - see above
        if isinstance(error, OSError) and error.errno in _NOT_WRITTEN:
            _complain(f"the answer cannot be written: {error.strerror}")
            code = Exit.OUTPUT
        else:
            with suppress(OSError):
                traceback.print_exc()
            _complain("internal error; please report it with the lines above")
            code = Exit.INTERNAL
    _give_up_output()
    sys.exit(code)


def _run() -> int:
    """The exit code of the command."""
    output = sys.stdout
    plugin = Path(sys.argv[0]).name.startswith("kubectl-")
    try:
        result = program.main(prog_name="kubectl fastfit" if plugin else "fastfit", standalone_mode=False)
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        return Exit.USAGE
    except SystemExit as error:
        if sys.stdout is not output:
            # After a broken pipe click puts a stream in its place that says nothing, and ends with 1.
            return Exit.PIPE
        return error.code if isinstance(error.code, int) else Exit.OK
    return result if isinstance(result, int) else Exit.OK


def _complain(message: str) -> None:
    with suppress(OSError):
        complain(message)


def _give_up_output() -> None:
    """Python flushes both streams once more when it ends, and complains if it cannot."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is None:
            continue
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, stream.fileno())
                os.close(null)
