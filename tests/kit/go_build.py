"""Builds the Go programs of the kit, each once for a state of its sources."""

import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["CACHE", "GO_MINOR", "BuildError", "Program", "go_build", "missing_go"]

#: Below it every program has a folder.
CACHE: Final = Path(__file__).parents[2] / ".cache"
GO_MINOR: Final = 26
#: Last lines of a failed build that are shown.
_SHOWN: Final = 40


class BuildError(Exception):
    """The binary cannot be built; the text says why and what to do."""


def missing_go() -> str:
    """Name what is missing to build with Go, with the remedy; empty when all is there."""
    go = shutil.which("go")
    if go is None:
        return f"Go 1.{GO_MINOR} or newer (none found; https://go.dev/dl/)"
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    found = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, env=environment, check=False)
    version = re.match(r"go1\.(\d+)", found.stdout)
    if version is not None and int(version[1]) < GO_MINOR:
        return f"Go 1.{GO_MINOR} or newer (found {found.stdout.strip()}; https://go.dev/dl/)"
    return ""


@dataclass(frozen=True, slots=True)
class Program:
    """A Go program. `what` names it in messages: "the kubelet oracle (Kubernetes v1.36.3)"."""

    what: str
    #: where binary, stamp and lock lie
    directory: Path
    name: str
    source: Path
    #: composes the command line that writes the binary to a path
    command: Callable[[Path], Sequence[str]]
    #: hashes all that the binary is made of
    fingerprint: Callable[[], str]
    #: names what the machine lacks; empty when all is there
    missing: Callable[[], str] = missing_go
    environment: Mapping[str, str] | None = None

    def ensure(self, say: Callable[[str], None]) -> Path:
        """Return the binary, built from the sources as they are now; BuildError if it cannot be.

        Several processes may ask at once: one builds, the others wait for it.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        binary, stamp = self.directory / self.name, self.directory / "stamp"
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            current = self.fingerprint()
            if binary.exists() and stamp.exists() and stamp.read_text() == current:
                return binary
            if missing := self.missing():
                raise BuildError(f"{self.what} needs {missing}")
            say(f"building {self.what}; minutes the first time")
            start = time.monotonic()
            fresh = self.directory / f"{self.name}.new"
            go_build(self.command(fresh), self.source, say, self.environment)
            fresh.rename(binary)
            stamp.write_text(current)
            say(f"built {binary} in {time.monotonic() - start:.0f} s")
        return binary


def go_build(
    command: Sequence[str], directory: Path, say: Callable[[str], None], more: Mapping[str, str] | None = None
) -> None:
    """Run `go build`, telling how far it is where it has -v. Raises BuildError with what go said."""
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local"} | dict(more or {})
    said: list[str] = []
    packages = 0
    with subprocess.Popen(command, cwd=directory, env=environment, text=True, stderr=subprocess.PIPE) as go:
        assert go.stderr is not None
        for line in go.stderr:
            # With -v, go names each package it compiles: paths without blanks. All else is a message.
            if " " in line.strip():
                said.append(line)
                continue
            packages += 1
            if packages % 250 == 0:
                say(f"  {packages} packages compiled")
    if go.returncode != 0:
        raise BuildError(f"go build failed in {directory}:\n{''.join(said[-_SHOWN:])}")
