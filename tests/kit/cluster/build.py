"""Builds the control-plane binary, or reuses it: `python -m tests.kit.cluster.build [--version 1.37]`."""

import argparse
import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.kit import go_build
from tests.kit.go_build import BuildError, Program, missing_go

__all__ = ["DEFAULT_VERSION", "RELEASES", "SOURCE", "BuildError", "Release", "ensure_binary", "missing_tools"]

SOURCE: Final = Path(__file__).parent
CACHE: Final = go_build.CACHE / "cluster"


@dataclass(frozen=True, slots=True)
class Release:
    """A Kubernetes release, the module file that pins it (its sums lie beside it, ending in .sum), and its build tag."""

    version: str
    modfile: str
    tag: str = ""


RELEASES: Final = {"1.36": Release("v1.36.3", "go.mod"), "1.37": Release("v1.37.2", "go-1.37.mod", "k8s137")}
#: What the tests run on; FASTFIT_TEST_KUBERNETES=1.37 chooses the other release.
DEFAULT_VERSION: Final = os.environ.get("FASTFIT_TEST_KUBERNETES", "1.36")


def missing_tools() -> str:
    """Name what is missing to build and run the control plane, with the remedy; empty when all is there."""
    openssl = "" if shutil.which("openssl") else "openssl (on Debian: apt-get install openssl)"
    return "; ".join(filter(None, (missing_go(), openssl)))


def ensure_binary(version: str = DEFAULT_VERSION, say: Callable[[str], None] = print) -> Path:
    """Return the binary for a Kubernetes minor release, built from the sources as they are now.

    The first build downloads 0.8 GB of modules and compiles for some minutes; later ones take seconds. Several
    processes may ask at once: one builds, the others wait for it.
    """
    if version not in RELEASES:
        raise BuildError(f"Kubernetes {version!r}: one of {', '.join(RELEASES)}")
    release = RELEASES[version]
    return Program(
        what=f"the control plane of the tests (Kubernetes {release.version})",
        directory=CACHE / release.version,
        name="fastfit-cluster",
        source=SOURCE,
        command=lambda output: build_command(release, output),
        fingerprint=lambda: fingerprint(release),
        missing=missing_tools,
    ).ensure(say)


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


def main() -> int:
    """Build, and print the path of the binary; the exit code."""
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
