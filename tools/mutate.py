"""Mutation testing: changes the code a little, at random places, and looks whether the tests notice.

    nice -n 19 python -m tools.mutate extender/kubelet --sample 300 --seed 7 -- TESTS...

TESTS are files or node ids, run one after the other, so the quick and telling ones stand first: a mutant is dead at the
first failure. Each mutant lives in a forked
process that imports the changed module in place of the file; no file is touched. A mutant that takes three times the processor
time of the unchanged code, or too much memory, is dead as well. Survivors are printed with their line; the exit code is 1 below the bar.
"""

import argparse
import ast
import importlib.abc
import importlib.util
import os
import random
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

_MEMORY: Final = 3 << 30
#: What the tests load anyway; loaded once, before the forks. Nothing of the code under test may be among it.
_LOADED_ONCE: Final = ("pytest", "hypothesis", "msgspec", "yaml", "orjson")

_OPERATORS: Final[dict[type[ast.AST], tuple[type[ast.AST], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.FloorDiv,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitOr,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
}
_NAMES: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed module: its dotted name, and for people the file, the line, what stood there and what stands now."""

    module: str
    where: str
    old: str
    new: str
    code: CodeType


def mutants(path: Path, module: str) -> Iterator[Callable[[], Mutant]]:
    """Makers of all mutants of a file; each parses the file anew and changes one place."""
    source = path.read_text(encoding="utf-8")
    for number, node in enumerate(_nodes(ast.parse(source))):
        for choice in range(len(_changes(node))):
            yield lambda number=number, choice=choice: _make(path, module, source, number, choice)  # type: ignore[misc]


def _make(path: Path, module: str, source: str, number: int, choice: int) -> Mutant:
    tree = ast.parse(source)
    node = list(_nodes(tree))[number]
    line, change = _changes(node)[choice]
    old = source.splitlines()[line - 1].strip()
    before = ast.unparse(tree).splitlines()
    change()
    after = ast.unparse(ast.fix_missing_locations(tree)).splitlines()
    new = next((_near(a, b) for a, b in zip(before, after, strict=False) if a != b), "(dropped)")
    return Mutant(module, f"{path}:{line}", old, new, compile(tree, str(path), "exec"))


def _near(before: str, after: str) -> str:
    """The part of a long line where it has changed."""
    same = next((place for place, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
    return after[max(0, same - 60) : same + 60].strip()


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that decide something: no annotations, decorators, assertions or texts of errors."""
    yield tree
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "type_comment", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.Assert | ast.Raise | ast.JoinedStr | ast.ImportFrom | ast.Import):
                continue
            # Whether zip complains decides nothing where lengths are equal.
            if isinstance(child, ast.keyword) and child.arg == "strict":
                continue
            if isinstance(child, ast.AST):
                yield from _nodes(child)


def _changes(node: ast.AST) -> list[tuple[int, Callable[[], None]]]:
    """What can be changed at a node: the line, and what changes it in place."""
    found: list[tuple[int, Callable[[], None]]] = []

    def put(line: int, owner: ast.AST, field: str, value: object) -> None:
        found.append((line, lambda: setattr(owner, field, value)))

    match node:
        case ast.Compare(ops=[operator, *_] as operators):
            for other in _OPERATORS.get(type(operator), ()):
                put(node.lineno, node, "ops", [other(), *operators[1:]])
        case ast.BoolOp(op=operator) | ast.BinOp(op=operator) | ast.AugAssign(op=operator):
            for other in _OPERATORS.get(type(operator), ()):
                put(node.lineno, node, "op", other())
        case ast.Constant(value=bool() as value):
            put(node.lineno, node, "value", not value)
        case ast.Constant(value=int() as number):
            put(node.lineno, node, "value", number + 1)
            put(node.lineno, node, "value", number - 1)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            put(node.lineno, node, "operand", ast.UnaryOp(ast.Not(), operand))
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            put(test.lineno, node, "test", ast.UnaryOp(ast.Not(), test))
        case ast.comprehension(ifs=[test, *rest]):
            put(test.lineno, node, "ifs", rest)
        case ast.Call(func=ast.Name(id=name) as called) if name in _NAMES:
            put(node.lineno, called, "id", _NAMES[name])
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            put(node.lineno, node, "value", ast.Constant(None))
    for field in ("body", "orelse"):
        block = getattr(node, field, None)
        for index, statement in enumerate(block if isinstance(block, list) else ()):
            if isinstance(statement, ast.AugAssign | ast.Continue | ast.Break) or (
                (isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant))
                or (isinstance(statement, ast.Assign) and not isinstance(statement.targets[0], ast.Name))
            ):
                found.append((statement.lineno, lambda block=block, index=index: block.__setitem__(index, ast.Pass())))  # type: ignore[misc]
    return found


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a mutant in place of its file."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        return importlib.util.spec_from_loader(fullname, self) if fullname == self._mutant.module else None

    def exec_module(self, module: ModuleType) -> None:
        exec(self._mutant.code, module.__dict__)  # noqa: S102 - that is what a mutant is for


def survives(mutant: Mutant | None, tests: Sequence[str], seconds: int) -> tuple[bool, float]:
    """Whether all tests pass with the mutant in place (None: with the code as it is), and the processor time taken."""
    child = os.fork()
    if child == 0:
        # Whatever happens here ends here: the fork must never return into the loop.
        with suppress(BaseException):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
            if mutant is not None:
                sys.meta_path.insert(0, _Instead(mutant))
            import pytest

            quiet = ["-q", "-p", "no:cacheprovider", "-W", "ignore:Module already imported"]
            for test in tests:
                if code := int(pytest.main(["-x", *quiet, "--hypothesis-seed=0", test])):
                    os._exit(code)
            os._exit(0)
        os._exit(70)
    _, status, used = os.wait4(child, 0)
    return status == 0, used.ru_utime + used.ru_stime


def main() -> int:
    """The exit code of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("code", help="file or package to change, as a path from here")
    parser.add_argument("--sample", type=int, default=300, help="mutants to try (300)")
    parser.add_argument("--seed", type=int, default=1, help="which sample (1)")
    parser.add_argument("--bar", type=float, default=90.0, help="percentage that has to be killed (90)")
    parser.add_argument("tests", nargs="+", help="files or node ids, after --")
    options = parser.parse_args()
    for name in _LOADED_ONCE:
        __import__(name)
    root = Path(options.code)
    files = sorted(root.rglob("*.py")) if root.is_dir() else [root]
    makers = [maker for path in files for maker in mutants(path, ".".join(path.with_suffix("").parts))]
    healthy, seconds = survives(None, options.tests, 3600)
    if not healthy:
        print("the tests fail without any mutant", file=sys.stderr)
        return 2
    patience = 10 + int(3 * seconds)
    chosen = random.Random(options.seed).sample(makers, min(options.sample, len(makers)))  # noqa: S311 - a sample
    print(f"{len(makers)} mutants, {len(chosen)} of them tried, seed {options.seed}", flush=True)
    alive = 0
    for number, maker in enumerate(chosen, 1):
        if number % 25 == 0:
            print(f"{number} of {len(chosen)}", file=sys.stderr, flush=True)
        mutant = maker()
        if survives(mutant, options.tests, patience)[0]:
            alive += 1
            print(f"{number} survived {mutant.where}\n    {mutant.old}\n    {mutant.new}", flush=True)
    killed = 100 * (len(chosen) - alive) / len(chosen)
    print(f"mutants {len(chosen)} killed {len(chosen) - alive} survived {alive} ({killed:.1f} %)")
    return 0 if killed >= options.bar else 1


if __name__ == "__main__":
    sys.exit(main())
