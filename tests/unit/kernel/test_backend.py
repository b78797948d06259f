"""Which backend runs, and that the compiled modules are what their stubs and twins say."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import _fastfit
from tests.kit.kernel.backends import PYTHON, Backend

PACKAGE = Path(_fastfit.__file__).parent


def backend_of_a_new_process(**environment: str) -> str:
    """BACKEND as a fresh interpreter sees it."""
    command = [sys.executable, "-c", "import _fastfit; print(_fastfit.BACKEND, _fastfit.Table.__module__)"]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **environment}
    ).stdout.strip()


def test_the_compiled_kernel_is_loaded(kernel: Backend) -> None:
    """Nobody tests or serves the plain twin by accident."""
    assert backend_of_a_new_process(FASTFIT_PURE="") == "cython _fastfit._table"
    assert kernel.Table is not PYTHON.Table


def test_the_switch(kernel: Backend) -> None:
    """FASTFIT_PURE=1 chooses the plain twin."""
    assert backend_of_a_new_process(FASTFIT_PURE="1") == "python _fastfit._fit_py"
    assert backend_of_a_new_process(FASTFIT_PURE="0") == "cython _fastfit._table"


def names_in_stub(path: Path) -> dict[str, set[str]]:
    """Public names of a stub: module level under "", methods and attributes under their class."""
    found: dict[str, set[str]] = {"": set()}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            found[""].add(node.name)
            found[node.name] = {name for name in map(name_of, node.body) if name and not name.startswith("__")}
        elif isinstance(node, ast.ImportFrom):
            found[""] |= {alias.asname for alias in node.names if alias.asname}
        elif name := name_of(node):
            found[""].add(name)
    return found


def name_of(node: ast.stmt) -> str:
    if isinstance(node, ast.FunctionDef):
        return node.name
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id
    return ""


def public(names: list[str]) -> set[str]:
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("name", ["_fit", "_table", "_wire"])
def test_stub_and_module_agree(kernel: Backend, name: str) -> None:
    """Every public name of one exists in the other."""
    module = importlib.import_module(f"_fastfit.{name}")
    stub = names_in_stub(PACKAGE / f"{name}.pyi")
    assert stub.pop("") == set(module.__all__)
    for owner, members in stub.items():
        assert members == public(dir(getattr(module, owner))), owner


@pytest.mark.parametrize(("name", "owner"), [("_table", "Table"), ("_fit", "Fit")])
def test_twin_has_the_stub(name: str, owner: str) -> None:
    """The plain twin offers everything that the stub promises."""
    twin = importlib.import_module("_fastfit._fit_py")
    stub = names_in_stub(PACKAGE / f"{name}.pyi")[owner]
    one = twin.Table([]) if owner == "Table" else twin.Fit(twin.Table([]), [])
    assert stub <= public(dir(one))


def test_codes_of_the_kernel() -> None:
    """The codes that the compiled judge spells out are those of the table."""
    lines = (PACKAGE / "_types.pxd").read_text().split("cdef enum:")[2].split("\n\n")[0].splitlines()
    spelled = dict(line.split(" = ") for line in map(str.strip, lines) if " = " in line)
    codes = {code.name.upper(): code for code in _fastfit.Code} | {"FIRSTREFUSED": _fastfit.FIRST_REFUSAL}
    assert len(spelled) > 15
    for name, number in spelled.items():
        assert codes[name.replace("_", "")] == int(number), name
