"""docs/kubevirt-states.md is closed: every name of KubeVirt's state machines, and no code that does not exist."""

import json
import re
from pathlib import Path

from _fastfit.codes import FIRST_REFUSAL, Code
from extender.reasons import REASONS
from tests.conformance.kubevirt import states

#: Refusals that are of our own making: nothing of KubeVirt looks like them.
OURS = {"OrderUndecided", "ProbeUnderWay"}
#: Quoted in the first or the last column, and neither a name of KubeVirt nor a code.
OTHERS = {"compute", "targets", "fastfit_evacuable_vms", "CrashLoopBackOff"}


def quoted(text: str) -> set[str]:
    """What stands in backticks."""
    return set(re.findall(r"`([^`\n]+)`", text))


def test_every_name_is_on_the_page() -> None:
    """Reasons, conditions, phases and statuses of the sources."""
    assert states.listed_names() - quoted(states.PAGE.read_text(encoding="utf-8")) == set()


def test_states_have_kubevirts_names() -> None:
    """The first column invents none, and no row stands there twice."""
    rows = states.rows()
    assert len(rows) > 60
    assert {name for row in rows for name in quoted(row.state)} - states.listed_names() <= OTHERS
    assert len({(row.state, row.where) for row in rows}) == len(rows)
    assert all(all(row) for row in rows)


def test_codes_exist() -> None:
    """Those of the last column have a text; and every refusal of KubeVirt or a kubelet stands there."""
    named = {name for row in states.rows() for name in quoted(row.predicted)} - OTHERS
    assert named <= {code.name for code in REASONS}
    assert {code.name for code in Code if code >= FIRST_REFUSAL} - named == OURS


def test_a_name_is_found_wherever_it_is_written() -> None:
    """As constant, in a block, where it is used, and in an enumeration."""
    text = """
// Reasons for vmi events
const (
\t// why
\tNoHints = "NoTopology"
)
const aReason = "ByConstant"
\tNamesake = "Namesake"
\tPaused VirtualMachineInstanceConditionType = "IsPaused"
\treturn common.NewSyncError(fmt.Errorf("no: %v", err), "FailedSomehow")
\tc.recorder.Eventf(vmi, k8sv1.EventTypeWarning, "HotplugGone", "it is %s", name)
\tother = "unrelated"
"""
    found = {"NoTopology", "ByConstant", "Namesake", "IsPaused", "FailedSomehow", "HotplugGone"}
    assert states.names_in(text) == found


def test_the_list_is_that_of_the_release(kubevirt_binary: Path) -> None:
    """`python -m tests.conformance.kubevirt.states` writes it anew."""
    assert kubevirt_binary.exists(), "the modules are there once the oracle is built"
    assert states.names_of_release() == json.loads(states.LISTED.read_text(encoding="utf-8"))


def test_the_places_exist(kubevirt_binary: Path) -> None:
    """Files and functions of the second column, as the release has them."""
    assert kubevirt_binary.exists()
    root = states.module()
    for row in states.rows():
        for file, names in re.findall(r"((?:controller|handler|pkg)/[\w/-]+\.go): ([\w ,]+)", row.where):
            path = (
                file.replace("controller/", "pkg/virt-controller/watch/", 1) if file.startswith("controller/") else file
            )
            path = path.replace("handler/", "pkg/virt-handler/", 1) if path.startswith("handler/") else path
            text = (root / path).read_text(encoding="utf-8")
            for name in names.split(","):
                assert re.search(rf"\b{name.strip()}\b", text), f"{row.state}: {file}: {name}"
