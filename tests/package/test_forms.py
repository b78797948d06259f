"""Issue forms, the text of pull requests and the hooks: GitHub and pre-commit take them, and what they name exists."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from yamllint import linter
from yamllint.config import YamlLintConfig

from extender.cli import program as commands
from tests.package.tree import GITHUB, ROOT, load_yaml, program

FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").iterdir() if path.name != "config.yml")
HOOKS = ROOT / ".pre-commit-config.yaml"
YAML = [*sorted(path for path in GITHUB.rglob("*.y*ml")), HOOKS, ROOT / ".yamllint.yaml"]
#: Kinds of fields in a form that take an answer.
ASKING = {"input", "textarea", "dropdown", "checkboxes"}


def _fields(path: Path) -> dict[str, dict[str, Any]]:
    """The questions of a form by id."""
    return {field["id"]: field for field in load_yaml(path)["body"] if field["type"] != "markdown"}


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_file_is_tidy_yaml(path: Path) -> None:
    """yamllint finds nothing, by the rules of the repository."""
    rules = YamlLintConfig(file=str(ROOT / ".yamllint.yaml"))
    problems = linter.run(path.read_text(encoding="utf-8"), rules, str(path))
    assert [f"{p.line}: {p.desc}" for p in problems] == []


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_form_has_what_github_wants(path: Path) -> None:
    """Name, description and body; each question with a label and an id of its own, and at least one must be answered."""
    form = load_yaml(path)
    assert set(form) == {"name", "description", "labels", "body"}
    identifiers = []
    for field in form["body"]:
        if field["type"] == "markdown":
            assert set(field) == {"type", "attributes"}
            assert set(field["attributes"]) == {"value"}
            continue
        assert field["type"] in ASKING
        assert set(field) == {"type", "id", "attributes"} | ({"validations"} & set(field))
        assert field["attributes"]["label"]
        assert set(field["attributes"]) <= {"label", "description", "placeholder", "render"}
        identifiers.append(field["id"])
    assert len(set(identifiers)) == len(identifiers)
    assert any(field.get("validations", {}).get("required") for field in form["body"])


@pytest.mark.parametrize(("name", "needed"), [("bug.yml", False), ("wrong_verdict.yml", True)])
def test_forms_ask_for_version_and_snapshot(name: str, needed: bool) -> None:
    """A wrong verdict cannot be replayed without one; both say to look through the file first."""
    fields = _fields(GITHUB / "ISSUE_TEMPLATE" / name)
    assert "`fastfit --version`" in fields["version"]["attributes"]["description"]
    assert fields["version"]["validations"]["required"]
    assert fields["expected"]["validations"]["required"]
    snapshot = fields["snapshot"]
    assert snapshot["validations"]["required"] == needed
    assert "`fastfit snapshot -o cluster.json`" in snapshot["attributes"]["description"]
    assert re.search(r"look through the file", snapshot["attributes"]["description"], re.IGNORECASE)


@pytest.mark.parametrize(
    "path", [*FORMS, GITHUB / "PULL_REQUEST_TEMPLATE.md", ROOT / "SECURITY.md"], ids=lambda p: p.name
)
def test_commands_exist(path: Path) -> None:
    """Commands of ours and their long flags, and make's targets."""
    text = path.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([\w-]+)", text)) <= targets
    for line in re.findall(r"`fastfit ([^`]+)`", text):
        words = line.split()
        if words == ["--version"]:
            continue
        context = commands.make_context("fastfit", ["--help"], resilient_parsing=True)
        command = commands.get_command(context, words[0])
        assert command is not None, line
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, line


def test_blank_issues_are_closed() -> None:
    """Each issue goes through a form."""
    assert load_yaml(GITHUB / "ISSUE_TEMPLATE" / "config.yml") == {"blank_issues_enabled": False}


def test_hooks_call_the_tools_of_the_lock_files() -> None:
    """No hook fetches a tool, so versions stand in one place; they are the tools of `make check`, and yamllint."""
    hooks = [hook for repo in load_yaml(HOOKS)["repos"] for hook in repo["hooks"]]
    assert [repo["repo"] for repo in load_yaml(HOOKS)["repos"]] == ["local"]
    called = []
    for hook in hooks:
        assert hook["language"] == "system"
        found = re.search(r"(?:^| )\.venv/bin/([\w-]+)( |$)", hook["entry"])
        assert found, hook
        assert program(found[1]).exists(), hook
        called.append(found[1])
    check = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert check is not None
    # The stubs are compared with the compiled kernel by `make check` alone: a hook builds nothing.
    assert set(called) == set(re.findall(r"\$\(BIN\)/([\w-]+)", check[1])) | {"yamllint"}


def test_development_tools_are_locked() -> None:
    """What the hooks and make call is in the development group, and so in requirements-dev.lock with hashes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    locked = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    for requirement in project["dependency-groups"]["dev"]:
        name = re.split(r"[<>=~ ]", requirement)[0]
        assert re.search(rf"^{re.escape(name)}==", locked, re.MULTILINE | re.IGNORECASE), name
