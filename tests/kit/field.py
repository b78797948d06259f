"""Asks the commands about the cases of tests/field, as a user would."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from extender.cli import program

__all__ = ["FIELD", "Content", "Said", "of_kind", "run", "run_changed"]

FIELD = Path(__file__).parents[1] / "field"

#: A snapshot as JSON; its objects are in `items`.
Content = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered: exit code, JSON (empty where there is none), and everything that it printed."""

    code: int
    answer: dict[str, Any]
    text: str

    def nodes(self) -> dict[str, dict[str, Any]]:
        """The nodes of an answer of `explain` or `targets`, by name, in the answer's order."""
        return {node["node"]: node for node in self.answer["nodes"]}

    def verdicts(self) -> dict[str, tuple[str, str]]:
        """(verdict, code) of each node."""
        return {name: (node["verdict"], node["code"]) for name, node in self.nodes().items()}


def run(case: str, command: str, *arguments: str, output: str = "json") -> Said:
    """`fastfit COMMAND ARGUMENTS -o OUTPUT`; an argument that names a file of the case becomes its path.

    `output`: json, table or wide.
    """
    paths = [str(FIELD / case / one) if (FIELD / case / one).is_file() else one for one in arguments]
    result = CliRunner().invoke(program, [command, *paths, "-o", output], env={"KUBERNETES_SERVICE_HOST": ""})
    answer = json.loads(result.stdout) if output == "json" and result.stdout.startswith("{") else {}
    return Said(result.exit_code, answer, result.output)


def of_kind(content: Content, kind: str) -> list[dict[str, Any]]:
    """The snapshot's objects of one kind, in its order."""
    return [item for item in content["items"] if item["kind"] == kind]


def run_changed(
    tmp_path: Path, case: str, snapshot: str, change: Callable[[Content], object], command: str, *arguments: str
) -> Said:
    """`fastfit COMMAND --snapshot FILE ARGUMENTS` for a snapshot of the case after a change."""
    content: Content = json.loads((FIELD / case / snapshot).read_text())
    change(content)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(content))
    return run(case, command, "--snapshot", str(path), *arguments)
