"""The names by which KubeVirt's controllers show where a VM stands, read from the Go sources of the release.

`python -m tests.conformance.kubevirt.states` writes them to `states.json`: phases, conditions, printable statuses, and
the reasons of conditions and events. docs/kubevirt-states.md has every one of them; a test holds it to that. Needs Go and the
modules of the oracle (`python -m tests.kit.oracle.kubevirt.build` fetches them).
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

from tests.kit.oracle.kubevirt import build

__all__ = ["LISTED", "PAGE", "Row", "listed_names", "module", "names_in", "names_of_release", "rows"]

#: The page that has every name.
PAGE: Final = Path(__file__).parents[3] / "docs" / "kubevirt-states.md"
#: The committed list: names by the file that has them.
LISTED: Final = Path(__file__).with_name("states.json")

_MODULE: Final = "kubevirt.io/kubevirt"
_API: Final = "kubevirt.io/api"
#: The state machines of a VM: virt-controller's, then virt-handler's. Tests beside them are left out.
SOURCES: Final = (
    "pkg/controller/controller.go",
    "pkg/virt-controller/watch/common/*.go",
    "pkg/virt-controller/watch/vmi/*.go",
    "pkg/virt-controller/watch/vm/*.go",
    "pkg/virt-controller/watch/migration/*.go",
    "pkg/virt-controller/watch/volume-migration/*.go",
    "pkg/virt-controller/watch/topology/*.go",
    "pkg/virt-controller/watch/descheduler/*.go",
    "pkg/virt-controller/watch/node/node.go",
    "pkg/virt-controller/watch/drain/evacuation/evacuation.go",
    "pkg/virt-controller/watch/workload-updater/workload-updater.go",
    "pkg/virt-handler/*.go",
)
_TYPES: Final = "core/v1/types.go"

#: Constants that are reasons, wherever they stand.
_REASON = re.compile(r'^\s*(?:const\s+)?\w*Reason\w*\s*=\s*"([^"]+)"', re.MULTILINE)
#: Constants that are named as what they say.
_NAMESAKE = re.compile(r'^\s*(\w+)\s*=\s*"\1"', re.MULTILINE)
#: The block of constants in pkg/controller that is reasons as a whole.
_BLOCK = re.compile(r"// Reasons for vmi events\nconst \((.*?)\n\)", re.DOTALL)
_CONSTANT = re.compile(r'^\s*\w+\s*=\s*"([^"]+)"', re.MULTILINE)
#: Reasons that are written where they are used.
_LITERALS = (
    re.compile(r'NewSyncError\((?:[^"\n]|"[^"\n]*%[^"\n]*")*,\s*"([^"\n]+)"\)'),
    re.compile(r'\.Eventf?\(\s*\w+,\s*[\w.]+,\s*"([^"\n]+)"'),
    re.compile(r'\bReason:\s*"([^"\n]+)"'),
    re.compile(r'CheckFailure\(\w+,\s*\w+,\s*"([^"\n]+)"'),
)
#: Enumerations of the API.
_ENUMERATED = re.compile(
    r"^\s*\w+\s+(?:VirtualMachineInstancePhase|VirtualMachineInstanceConditionType|SyncEvent|VirtualMachineConditionType"
    r"|VirtualMachineInstanceMigrationConditionType|VirtualMachineInstanceMigrationPhase|VirtualMachinePrintableStatus)"
    r'\s*=\s*"([^"]+)"',
    re.MULTILINE,
)


class Row(NamedTuple):
    """A row of the page's tables."""

    state: str
    where: str
    cause: str
    vm: str
    pod: str
    predicted: str


def rows() -> list[Row]:
    """The rows of every table of the page, without the heads."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [
        Row(*(cell.strip() for cell in line.strip("|").split("|")))
        for line in lines
        if line.startswith("| ") and not line.startswith("| state |")
    ]


def names_in(text: str) -> set[str]:
    """The names in one Go file."""
    found = {*_REASON.findall(text), *_NAMESAKE.findall(text), *_ENUMERATED.findall(text)}
    for block in _BLOCK.findall(text):
        found.update(_CONSTANT.findall(block))
    for literal in _LITERALS:
        found.update(literal.findall(text))
    return found


def names_of_release() -> dict[str, list[str]]:
    """The names by file, as the sources in Go's module cache have them."""
    kubevirt, api = module(), module(_API)
    files = [path for pattern in SOURCES for path in sorted(kubevirt.glob(pattern))]
    names = {
        path.relative_to(kubevirt).as_posix(): names_in(path.read_text(encoding="utf-8"))
        for path in files
        if not path.name.endswith("_test.go") and "generated_mock" not in path.name
    }
    names[f"{_API}/{_TYPES}"] = names_in((api / _TYPES).read_text(encoding="utf-8"))
    return {where: sorted(found) for where, found in names.items() if found}


def listed_names() -> set[str]:
    """Every name of the committed list."""
    return {name for names in json.loads(LISTED.read_text(encoding="utf-8")).values() for name in names}


def module(name: str = _MODULE) -> Path:
    """Where Go's module cache has the sources of the release that the oracle is built of."""
    command = ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", name]
    done = subprocess.run(command, cwd=build.SOURCE, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        raise FileNotFoundError(f"{name} is not in Go's module cache: {done.stderr.strip()}")
    return Path(done.stdout.strip())


def main() -> int:
    """Write the list."""
    LISTED.write_text(json.dumps(names_of_release(), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
