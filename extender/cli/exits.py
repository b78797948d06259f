"""Exit codes, and errors as they are printed."""

from enum import IntEnum

import click

from extender.cli.tables import clean

__all__ = ["Exit", "complain", "epilog"]


class Exit(IntEnum):
    """The exit codes of all commands. Stable: scripts depend on them."""

    OK = 0
    NO = 1
    USAGE = 2
    CLUSTER = 3
    OUTPUT = 4
    INTERNAL = 70
    INTERRUPTED = 130
    PIPE = 141


_MEANINGS = {
    Exit.OK: "done; explain, targets: some node can take the pod, or may be able to; admit: every pod is admitted",
    Exit.NO: "explain, targets: every node refuses the pod, or no node is known; admit: a pod is refused",
    Exit.USAGE: "wrong flags, or a file, configuration or object that cannot be used",
    Exit.CLUSTER: "the cluster cannot be reached, or refused the request",
    Exit.OUTPUT: "the answer cannot be written: the disk is full, for example",
    Exit.INTERNAL: "internal error",
    Exit.INTERRUPTED: "interrupted by Ctrl-C",
    Exit.PIPE: "whoever read the answer closed the pipe",
}


def epilog(*examples: str) -> str:
    """The end of a help text: examples, and the meaning of exit codes. Click does not wrap lines after a backspace."""
    codes = "\n".join(f"  {code.value:>3}  {_MEANINGS[code]}" for code in Exit)
    return "\b\nExamples:\n" + "\n".join(f"  {example}" for example in examples) + "\n\n\b\nExit codes:\n" + codes


def complain(message: str) -> None:
    """Print an error to standard error, without characters that control the terminal."""
    for number, line in enumerate(message.splitlines()):
        click.echo(("fastfit: " if number == 0 else "") + clean(line), err=True)
