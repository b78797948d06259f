"""Builds the oracle on the real kubelet managers, or reuses it: `python -m tests.kit.oracle.kubelet.build`."""

import argparse
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.kit import go_build
from tests.kit.cluster.build import DEFAULT_VERSION, Release
from tests.kit.cluster.build import RELEASES as CLUSTER_RELEASES
from tests.kit.cluster.build import SOURCE as CLUSTER
from tests.kit.go_build import BuildError, Program

__all__ = ["RELEASES", "ensure_oracle", "main"]

SOURCE: Final = Path(__file__).parent
CACHE: Final = go_build.CACHE / "oracle"
NAME: Final = "fastfit-oracle"
#: The releases whose managers can be asked. Those that no control plane of the tests runs are built by hand only.
RELEASES: Final = {
    "1.33": Release("v1.33.13", "go-1.33.mod", "k8s133"),
    "1.34": Release("v1.34.4", "go-1.34.mod", "k8s134"),
    "1.35": Release("v1.35.4", "go-1.35.mod", "k8s135"),
    **CLUSTER_RELEASES,
}
#: The driver of the managers, which the oracle shares with the simulated nodes of the test cluster.
DRIVER: Final = CLUSTER / "kubelet"


def ensure_oracle(version: str = DEFAULT_VERSION, say: Callable[[str], None] = print) -> Path:
    """Return the oracle for a Kubernetes minor release, built from the sources as they are now.

    The first build takes minutes, or seconds where the control plane of tests/kit/cluster is built already; later ones
    take seconds. Several processes may ask at once: one builds, the others wait for it.
    """
    release = RELEASES[version]
    return Program(
        what=f"the kubelet oracle (Kubernetes {release.version})",
        directory=CACHE / release.version,
        name=NAME,
        source=SOURCE,
        command=lambda output: _command(release, output),
        fingerprint=lambda: _fingerprint(release),
    ).ensure(say)


def _fingerprint(release: Release) -> str:
    """Hash all that the binary is made of."""
    digest = hashlib.sha256(" ".join(_command(release, Path(NAME))).encode())
    modfile = SOURCE / release.modfile
    sources = [*SOURCE.glob("*.go"), *DRIVER.glob("*.go"), CLUSTER / "go.mod", modfile, modfile.with_suffix(".sum")]
    for path in sorted(sources):
        digest.update(f"\0{path.parent.name}/{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _command(release: Release, output: Path) -> list[str]:
    return [
        *("go", "build", "-v", "-p", "2", "-trimpath", "-buildvcs=false", f"-modfile={release.modfile}"),
        *("-tags", release.tag, "-ldflags", "-s -w", "-o", str(output), "."),
    ]


def main(arguments: list[str]) -> int:
    """The exit code for the command line `arguments`; the path of the binary goes to standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.kit.oracle.kubelet.build", description=__doc__)
    parser.add_argument("--version", choices=RELEASES, default=DEFAULT_VERSION, help="Kubernetes minor release")
    version = parser.parse_args(arguments).version
    try:
        print(ensure_oracle(version, say=lambda text: print(text, file=sys.stderr, flush=True)))
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
