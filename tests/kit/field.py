"""Asks the commands about the cases of tests/field, as a user would."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from extender.cli import program

__all__ = ["FIELD", "Said", "run"]

FIELD = Path(__file__).parents[1] / "field"


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
