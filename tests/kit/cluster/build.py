"""Builds the control-plane binary, or reuses it: `python -m tests.kit.cluster.build [--version 1.37]`."""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["DEFAULT_VERSION", "RELEASES", "SOURCE", "BuildError", "Release", "ensure_binary", "missing_tools"]

SOURCE: Final = Path(__file__).parent
CACHE: Final = SOURCE.parents[2] / ".cache" / "cluster"
GO_MINOR: Final = 26


@dataclass(frozen=True, slots=True)
class Release:
    """A Kubernetes release, the module file that pins it (its sums lie beside it, ending in .sum), and its build tag."""

    version: str
    modfile: str
    tag: str = ""


RELEASES: Final = {"1.36": Release("v1.36.3", "go.mod"), "1.37": Release("v1.37.2", "go-1.37.mod", "k8s137")}
#: What the tests run on; FASTFIT_TEST_KUBERNETES=1.37 chooses the other release.
DEFAULT_VERSION: Final = os.environ.get("FASTFIT_TEST_KUBERNETES", "1.36")


class BuildError(Exception):
    """The binary cannot be built; the text says why and what to do."""


def missing_tools() -> str:
    """Name what is missing to build and run the control plane, with the remedy; empty when all is there."""
    missing = []
    go = shutil.which("go")
    if go is None:
        missing.append(f"Go 1.{GO_MINOR} or newer (none found; https://go.dev/dl/)")
    else:
        environment = os.environ | {"GOTOOLCHAIN": "local"}
        found = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, env=environment, check=False)
        version = re.match(r"go1\.(\d+)", found.stdout)
        if version is not None and int(version[1]) < GO_MINOR:
            missing.append(f"Go 1.{GO_MINOR} or newer (found {found.stdout.strip()}; https://go.dev/dl/)")
    if shutil.which("openssl") is None:
        missing.append("openssl (on Debian: apt-get install openssl)")
    return "; ".join(missing)


def ensure_binary(version: str = DEFAULT_VERSION, say: Callable[[str], None] = print) -> Path:
    """Return the binary for a Kubernetes minor release, built from the sources as they are now.

    The first build downloads 0.8 GB of modules and compiles for some minutes; later ones take seconds. Several
    processes may ask at once: one builds, the others wait for it.
    """
    if version not in RELEASES:
        raise BuildError(f"Kubernetes {version!r}: one of {', '.join(RELEASES)}")
    release = RELEASES[version]
    directory = CACHE / release.version
    directory.mkdir(parents=True, exist_ok=True)
    binary, stamp = directory / "fastfit-cluster", directory / "stamp"
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        current = fingerprint(release)
        if binary.exists() and stamp.exists() and stamp.read_text() == current:
            return binary
        if missing := missing_tools():
            raise BuildError(f"the control plane of the tests needs {missing}")
        say(f"building the control plane of the tests (Kubernetes {release.version}); minutes the first time")
        start = time.monotonic()
        fresh = directory / "fastfit-cluster.new"
        go_build(build_command(release, fresh), SOURCE, say)
        fresh.rename(binary)
        stamp.write_text(current)
        say(f"built {binary} in {time.monotonic() - start:.0f} s")
    return binary


def fingerprint(release: Release) -> str:
    """Hash all that the binary is made of."""
    digest = hashlib.sha256(" ".join(build_command(release, Path("binary"))).encode())
    modfile = SOURCE / release.modfile
    for path in [*sorted(SOURCE.rglob("*.go")), modfile, modfile.with_suffix(".sum")]:
        digest.update(f"\0{path.relative_to(SOURCE)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def build_command(release: Release, output: Path) -> list[str]:
    """Compose the build. kubectl and the API server refuse to tell their version unless it is stamped in."""
    major, minor = release.version.removeprefix("v").split(".")[:2]
    stamps = {"gitVersion": release.version, "gitMajor": major, "gitMinor": minor}
    flags = ["-s", "-w", *(f"-X k8s.io/component-base/version.{name}={value}" for name, value in stamps.items())]
    return [
        *("go", "build", "-v", "-p", "2", "-trimpath", "-buildvcs=false", f"-modfile={release.modfile}"),
        *("-tags", release.tag),
        *("-ldflags", " ".join(flags), "-o", str(output), "."),
    ]


def go_build(command: list[str], directory: Path, say: Callable[[str], None]) -> None:
    """Run `go build -v`, telling how far it is. Raises BuildError with what go said."""
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local"}
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
        raise BuildError(f"go build failed in {directory}:\n{''.join(said[-40:])}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kit.cluster.build", description=__doc__)
    parser.add_argument("--version", choices=RELEASES, default=DEFAULT_VERSION, help="Kubernetes minor release")
    try:
        print(ensure_binary(parser.parse_args().version, say=lambda text: print(text, file=sys.stderr, flush=True)))
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
