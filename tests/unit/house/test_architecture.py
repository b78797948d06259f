"""docs/architecture.md and CONTRIBUTING.md name what exists: functions, files, rooms, and the import contracts."""

import ast
import functools
import re
import tomllib
from pathlib import Path

import pytest

ROOT = next(path for path in Path(__file__).resolve().parents if (path / "pyproject.toml").exists())
ARCHITECTURE = ROOT / "docs/architecture.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
#: `module.py: function`, of extender/ or with the path from the root; it may be broken over two lines.
REFERENCE = re.compile(r"`([\w/]+\.pyi?):\s+([\w.]+)`")


@functools.cache
def names_in(path: Path) -> frozenset[str]:
    """Functions and classes of a module, and those inside its classes as `Class.name`."""
    found = set()

    def walk(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(prefix + node.name)
            if isinstance(node, ast.ClassDef):
                walk(node.body, f"{prefix}{node.name}.")

    walk(ast.parse(path.read_text(encoding="utf-8")).body, "")
    return frozenset(found)


def missing(text: str) -> list[str]:
    """References of a text that lead nowhere."""
    gone = []
    for where, name in REFERENCE.findall(text):
        path = next((base / where for base in (ROOT / "extender", ROOT) if (base / where).is_file()), None)
        if path is None or name not in names_in(path):
            gone.append(f"{where}: {name}")
    return gone


@pytest.mark.parametrize(
    ("path", "least"), [(ARCHITECTURE, 120), (CONTRIBUTING, 15)], ids=["architecture", "contributing"]
)
def test_every_function_that_is_named_exists(path: Path, least: int) -> None:
    """Each `module.py: function` is in the code, and there are as many as there should be."""
    text = path.read_text(encoding="utf-8")
    assert len(REFERENCE.findall(text)) >= least
    assert missing(text) == []


def test_a_function_that_is_gone_is_found() -> None:
    """A wrong module, a wrong function and a method without its class are told; a reference over two lines is read."""
    text = (
        "`cache/cluster.py: Cluster.put` `cache/cluster.py: put` `cache/none.py: f` `_fastfit/_fit.pyi:\n  Fit.worst`"
    )
    assert missing(text) == ["cache/cluster.py: put", "cache/none.py: f", "_fastfit/_fit.pyi: Fit.worst"]


def test_every_reference_is_read() -> None:
    """Nothing in code quotes looks like a reference and is not read as one."""
    for path in (ARCHITECTURE, CONTRIBUTING):
        text = path.read_text(encoding="utf-8")
        quoted = re.findall(r"`[^`]*\.pyi?:[^:`][^`]*`", text)
        assert [one for one in quoted if not REFERENCE.fullmatch(one)] == []


def test_every_step_of_a_journey_names_its_function() -> None:
    """Four journeys, their steps numbered without a gap, each with a function."""
    text = ARCHITECTURE.read_text(encoding="utf-8")
    journeys = re.findall(r"^## Journey \d: .+?$(.+?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    assert len(journeys) == 4
    for journey in journeys:
        steps = re.findall(r"^(\d+)\. (.+?)(?=^\d+\. |^$|\Z)", journey, re.MULTILINE | re.DOTALL)
        assert [int(number) for number, _ in steps] == list(range(1, len(steps) + 1))
        assert [number for number, step in steps if not REFERENCE.search(step)] == []


def contract(name: str) -> dict[str, list[str]]:
    """One import contract of pyproject.toml."""
    return next(one for one in CONTRACTS if one["name"] == name)


def layers_of(name: str) -> list[list[str]]:
    """The layers of a contract, without the name of the package."""
    layers = contract(name)["layers"]
    return [[room.strip().removeprefix("extender.") for room in re.split(r"[:|]", layer)] for layer in layers]


def figure() -> list[list[list[str]]]:
    """The two parts of the figure: its lines, each with its rooms."""
    text = ARCHITECTURE.read_text(encoding="utf-8")
    block = re.search(r"^```text\n(.+?)^```", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    parts = []
    for part in block[1].split("\n\n"):
        lines = [re.fullmatch(r"[│▼]  (\w+(?: \*)?(?:  ?\w+(?: \*)?)*)(?:   +.*)?", line) for line in part.splitlines()]
        parts.append([line[1].split("  ") for line in lines if line is not None])
    return parts


def test_the_figure_is_that_of_the_import_contracts() -> None:
    """The same rooms in the same order, and the core is marked."""
    whole, cache = figure()
    assert [[room.removesuffix(" *") for room in line] for line in whole] == layers_of("Imports run downward")
    assert cache == layers_of("Inside the cache, imports run downward")
    pure = contract("The core knows no I/O library")["source_modules"]
    marked = {room.removesuffix(" *") for line in whole for room in line if room.endswith(" *")}
    assert marked == {module.removeprefix("extender.") for module in pure}


#: Small modules that any room imports.
SMALL = {"bounded", "errors", "garbage_collector", "names", "pace"}


def imports_of(room: str) -> set[str]:
    """Rooms that a room imports."""
    place = ROOT / (room if room == "_fastfit" else f"extender/{room}")
    files = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if modules == ["extender"]:
                assert isinstance(node, ast.ImportFrom)
                modules = [f"extender.{alias.name}" for alias in node.names]
            for module in modules:
                if module.startswith("extender."):
                    found.add(module.split(".")[1])
                elif module.split(".")[0] == "_fastfit":
                    found.add("_fastfit")
    return found - SMALL - {room, "__version__"}


def test_the_map_of_rooms_is_that_of_the_code() -> None:
    """CONTRIBUTING has every room once, in the order of the contract, with the rooms that it imports."""
    text = CONTRIBUTING.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(?:extender/)?(\w+)(?:/|\.py)` \| .+? \| (.*?) \|$", text, re.MULTILINE)
    order = [room for layer in layers_of("Imports run downward") for room in layer if room not in SMALL]
    assert [room for room, _ in rows] == order
    assert {room: set(re.findall(r"\w+", said)) - {"nothing"} for room, said in rows} == {
        room: imports_of(room) for room in order
    }


def test_every_path_of_contributing_exists() -> None:
    """Paths of the repository in code quotes and in commands (extender/v1 is an API)."""
    named = re.findall(
        r"[` (](?!extender/v1)((?:extender|_fastfit|deploy|docs|tests|tools|bench)/[\w./-]*)[`: )]",
        CONTRIBUTING.read_text(encoding="utf-8"),
    )
    assert len(named) > 30
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_folder_of_tests_is_explained() -> None:
    """CONTRIBUTING has a row for each folder of tests."""
    table = CONTRIBUTING.read_text(encoding="utf-8").split("| folder of `tests/` |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)/` \|", table, re.MULTILINE)
    folders = {
        path.relative_to(ROOT / "tests").parts[0]
        for path in (ROOT / "tests").glob("*/**/*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sorted(rows) == sorted(folders)


def test_links_of_the_architecture_lead_somewhere() -> None:
    """Its relative links name files."""
    links = re.findall(r"\]\(([^)#]+)", ARCHITECTURE.read_text(encoding="utf-8"))
    assert len(links) > 3
    assert [link for link in links if not (ARCHITECTURE.parent / link).exists()] == []
