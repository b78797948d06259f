"""The workflows of GitHub Actions: sound, pinned, with few rights, and the same versions as everywhere else."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.kit.go_build import GO_MINOR, missing_go
from tests.kit.lacking import lacking
from tests.package.tree import GITHUB, ROOT, load_yaml, pyproject
from tests.package.workflow_linter import ensure_linter

WORKFLOWS = sorted((GITHUB / "workflows").glob("*.y*ml"))
CI = GITHUB / "workflows" / "ci.yaml"


@pytest.fixture(scope="module")
def linter() -> Path:
    """actionlint; it is built with Go."""
    if missing := missing_go():
        lacking(f"workflows are not checked: actionlint needs {missing}")
    return ensure_linter()


def _lint(linter: Path, path: Path) -> tuple[int, str]:
    # What else it would ask is on some machines only.
    command = [linter, "-shellcheck=", "-pyflakes=", "-oneline", path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actionlint_is_content(linter: Path, path: Path) -> None:
    """Keys, expressions, contexts, runners and inputs of actions are right."""
    assert _lint(linter, path) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("github.ref }}", "github.reff }}"),
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-1"),
        ("  fast:", "  fast:\n    x: 1"),
    ],
)
def test_actionlint_sees_a_mistake(linter: Path, tmp_path: Path, good: str, bad: str) -> None:
    """The linter that the test above asks does read the file."""
    text = CI.read_text(encoding="utf-8")
    assert good in text
    path = tmp_path / "ci.yaml"
    path.write_text(text.replace(good, bad), encoding="utf-8")
    code, said = _lint(linter, path)
    assert code == 1, said


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(path: Path) -> None:
    """A tag can be moved to other code; a commit cannot. The release stands beside it."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.fullmatch(r"- uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_rights_and_times_are_bounded(path: Path) -> None:
    """A workflow reads the repository and nothing else, leaves no token in the clone, and every job ends."""
    workflow = load_yaml(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]
    for name, job in workflow["jobs"].items():
        assert "permissions" not in job, name
        assert job["timeout-minutes"] <= 120, name
        clones = [step["with"] for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert clones == [{"persist-credentials": False}], name


def test_versions_are_those_of_the_project() -> None:
    """The oldest Python runs everything, each supported one the fast tests; Go is the one of the tests' modules."""
    jobs = load_yaml(CI)["jobs"]
    oldest = pyproject()["project"]["requires-python"].removeprefix(">=")
    given = {key: value for step in jobs["all"]["steps"] for key, value in step.get("with", {}).items()}
    assert given["python-version"] == oldest
    assert jobs["all"]["steps"][-1] == {"run": ".ci/run"}
    assert jobs["fast"]["strategy"]["matrix"]["python"][0] == oldest
    assert jobs["fast"]["steps"][-1] == {"run": "make test-fast"}
    modules = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("go.mod")]
    wanted = {match[1] for text in modules if (match := re.search(r"^go (\d+\.\d+)", text, re.MULTILINE))}
    assert wanted == {given["go-version"]} == {f"1.{GO_MINOR}"}
