"""Which kernel runs, and that the compiled modules are what their stubs and the plain kernel say."""

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import _fastfit
from _fastfit import _fit_py, _wire_py
from tests.kit.kernel.backends import PYTHON, Backend
from tests.kit.kernel.rows import ask, names, row, zone
from tools.generate_constants import ENUMS, NUMBERS, PATH, constants

PACKAGE = Path(_fastfit.__file__).parent
#: Public names of the plain kernel's classes that the compiled ones keep to themselves: its Fit reads them.
INTERNAL = {"Table": {"answers_for", "changed_since", "text"}, "Query": {"answer", "table", "unseen"}, "Fit": set()}


def backend_of_a_new_process(*before: str, **environment: str) -> str:
    """BACKEND as a fresh interpreter sees it."""
    report = "import _fastfit; print(_fastfit.BACKEND, _fastfit.Table.__module__, _fastfit.NOT_LOADED)"
    command = [sys.executable, "-c", "\n".join((*before, report))]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **environment}
    ).stdout.strip()


def test_the_compiled_kernel_is_loaded(kernel: Backend) -> None:
    """The plain kernel is not tested or served by accident."""
    assert backend_of_a_new_process(FASTFIT_PURE="") == "cython _fastfit._table"
    assert kernel.Table is not PYTHON.Table


def test_the_switch(kernel: Backend) -> None:
    """FASTFIT_PURE=1 chooses the plain kernel."""
    assert backend_of_a_new_process(FASTFIT_PURE="1") == "python _fastfit._fit_py"
    assert backend_of_a_new_process(FASTFIT_PURE="0") == "cython _fastfit._table"


def test_a_kernel_that_does_not_load() -> None:
    """The plain kernel runs, and why is known; with FASTFIT_PURE there is nothing to tell."""
    broken = "import sys; sys.modules['_fastfit._fit'] = None"
    plain = "python _fastfit._fit_py"
    assert re.fullmatch(plain + " .*_fastfit._fit.*", backend_of_a_new_process(broken, FASTFIT_PURE=""))
    assert backend_of_a_new_process(broken, FASTFIT_PURE="1") == plain


# --- stubs and signatures ----------------------------------------------------------------------------


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
    """Every public name of one exists in the other. `make check` compares their signatures (stubtest)."""
    module = importlib.import_module(f"_fastfit.{name}")
    stub = names_in_stub(PACKAGE / f"{name}.pyi")
    assert stub.pop("") == set(module.__all__)
    for owner, members in stub.items():
        assert members == public(dir(getattr(module, owner))), owner


def parameters(function: object) -> list[tuple[str, object, object]]:
    """Name, kind and default of each parameter; kinds and defaults as they count for callers."""
    assert callable(function)
    return [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("owner", ["Table", "Query", "Fit"])
def test_both_kernels_have_the_same_methods(kernel: Backend, owner: str) -> None:
    """Public names, and every method's parameters with their defaults."""
    module = importlib.import_module("_fastfit._fit" if owner == "Fit" else "_fastfit._table")
    compiled_class, plain_class = getattr(module, owner), getattr(_fit_py, owner)
    table = PYTHON.table(row([zone(0, 4)]))
    query = table.prepare(ask((2, 1, 1, 0)))
    plain = {"Table": table, "Query": query, "Fit": table.fit(query, names("n"))}[owner]
    assert public(dir(plain)) - INTERNAL[owner] == public(dir(compiled_class))
    methods = [name for name in public(dir(compiled_class)) if callable(getattr(compiled_class, name))]
    assert methods or owner == "Query"
    for name in methods:
        assert parameters(getattr(compiled_class, name)) == parameters(getattr(plain_class, name)), name


def test_both_kernels_scan_with_the_same_parameters(kernel: Backend) -> None:
    """Limits and their defaults."""
    assert parameters(kernel.scan) == parameters(_wire_py.scan)


def test_both_kernels_are_constructed_the_same_way(backend: Backend) -> None:
    """By the names of the parameters in the stubs, which a compiled class does not show itself."""
    stubs = {"Table": "_table", "Query": "_table", "Fit": "_fit"}
    compiled = backend.name == "cython"
    values: dict[str, object] = {"texts": [], "ask": ask((2, 1, 1, 0)), "names": names("n"), "uid": "u"}
    for owner, stub in stubs.items():
        classes = [
            node for node in ast.parse((PACKAGE / f"{stub}.pyi").read_text()).body if name_of_class(node) == owner
        ]
        [init] = [node for node in classes[0].body if name_of(node) == "__new__"]  # type: ignore[attr-defined]
        wanted = [argument.arg for argument in init.args.args if argument.arg != "cls"]
        made = getattr(importlib.import_module(f"_fastfit.{stub if compiled else '_fit_py'}"), owner)
        values[owner.lower()] = made(**{name: values[name] for name in wanted})
    assert getattr(values["fit"], "total") == 1  # noqa: B009


def name_of_class(node: ast.stmt) -> str:
    return node.name if isinstance(node, ast.ClassDef) else ""


# --- numbers -----------------------------------------------------------------------------------------


def test_constants_are_current() -> None:
    """_constants.pxd is what tools/generate_constants.py writes."""
    assert PATH == PACKAGE / "_constants.pxd"
    assert PATH.read_text() == constants(), "run `python tools/generate_constants.py`"


def test_numbers_are_written_once() -> None:
    """No other file of the compiled kernel gives a number to a name that is generated."""
    generated = set(re.findall(r"^    (\w+) = ", PATH.read_text(), re.MULTILINE))
    assert len(generated) == sum(len(enum) for enum, _ in ENUMS) + sum(len(names) for _, names in NUMBERS)
    others = [path for path in sorted(PACKAGE.glob("*.p[xy][dx]")) if path != PATH]
    assert len(others) > 15
    for path in others:
        enumerators = set(re.findall(r"^ *([A-Z_]+) = -?\d", path.read_text(), re.MULTILINE))
        assert not enumerators & generated, path.name
