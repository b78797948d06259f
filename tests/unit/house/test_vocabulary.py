"""Old words are gone from names: identifiers and modules use the words of docs/glossary.md.

Prose is not looked at: comments, docstrings and texts are by review.
"""

import functools
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from _fastfit.codes import Code

ROOT = next(path for path in Path(__file__).resolve().parents if (path / "pyproject.toml").exists())
#: Folders that are searched; those marked False may be missing.
FOLDERS = {"extender": True, "_fastfit": True, "bench": True, "tools": True, "tests/kit": False}

#: Old word -> new word. A word of several parts, `moves_in`, is those parts in a row; so is `movesIn` or `MovesIn`.
OLD_WORDS = {
    **dict.fromkeys(("promise", "promises", "promised"), "assume, assumed placement"),
    **dict.fromkeys(("charge", "charges", "charged", "charging"), "assume, assumed placement"),
    **dict.fromkeys(("withdraw", "withdraws", "withdrawn"), "forget"),
    **dict.fromkeys(("picture", "pictures"), "cache"),
    "marked": "dirty",
    **dict.fromkeys(("report", "reports"), "nrt"),
    **dict.fromkeys(("book", "books"), "accounting"),
    **dict.fromkeys(("settle", "settles", "settled"), "reconcile"),
    **dict.fromkeys(("correction", "corrections", "corrected"), "reconcile, reconciliation"),
    **dict.fromkeys(("strike", "strikes", "struck", "overrule", "overrules", "overruled"), "exclude"),
    **dict.fromkeys(("lesson", "lessons", "taught", "teach", "teaches"), "refusal history"),
    **dict.fromkeys(("learn", "learns", "learned", "learning"), "inference; refusal history"),
    **dict.fromkeys(("tenant", "tenants", "inside"), "guest"),
    "former": "last layout",
    **dict.fromkeys(("belief", "beliefs", "believed"), "best known cells"),
    **dict.fromkeys(("life", "lives"), "run"),
    "home": "source node",
    "moves_in": "target node",
    **dict.fromkeys(("nobody", "nobody_cares"), "don't-care hint; not tracked; none"),
    "lone": "single-zone row",
    "bearing": "zones with CPUs",
    **dict.fromkeys(("lack", "lacks"), "missing"),
    **dict.fromkeys(("left_open", "leaves_open", "still_open", "zone_open"), "undecided"),
    **dict.fromkeys(("kindness", "kindnesses"), "best effort"),
}
#: Whole identifiers that are an old word, though their parts are in use.
OLD_NAMES = {"OPEN": "undecided", "is_open": "undecided"}

_SETTING = "the name of a setting, which is API"
_MEASURED = "what a bench prints of its measurement; no NodeResourceTopology"
_ZONE = "plain English: within a zone, socket or set of zones"

#: Where code that measures and tests may lie.
_TESTED = ("bench/", "tests/kit/")

#: (identifier, the path begins with one of these, reason). An identifier stands for every use of it there.
EXCEPTIONS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("promise_seconds", ("",), _SETTING),
    ("charges", ("extender/",), _SETTING),
    ("Charges", ("extender/config/",), "the type of the setting `charges`"),
    ("report_stale_after_seconds", ("extender/",), _SETTING),
    ("ask_charged", ("extender/",), "feeds the metric fastfit_charged_pods"),
    ("_charged", ("extender/observe/",), "feeds the metric fastfit_charged_pods"),
    ("MarkedYAMLError", ("extender/config/",), "a class of PyYAML"),
    ("settled", ("extender/watch/",), "of an optional source: it is known whether the API server serves it"),
    ("_settled", ("extender/watch/",), "of an optional source: it is known whether the API server serves it"),
    ("lacks_cpus", ("extender/kubevirt/",), "plain English verb: the launcher has fewer CPUs than it pins"),
    ("lacks_pages", ("_fastfit/",), "plain English verb: the node has no pages of an asked size"),
    ("_inside", ("extender/kubelet/cpu_topology.py",), _ZONE),
    ("inside", ("extender/kubelet/cpu_assignment.py", "_fastfit/_devices"), _ZONE),
    ("home", _TESTED, "the folder of a control plane under test"),
    ("report", ("bench/",), _MEASURED),
    ("legacy_reports", ("bench/",), "the flag --legacy-reports of bench.throughput"),
    ("settled", _TESTED, "plain English: nothing changes any more in the cluster under test"),
    ("_LIVES", ("tests/kit/",), "questions after which a process of an oracle is replaced"),
)

#: Reason codes are API, here as members and as constants of the kernel.
CODES = {spelled for code in Code for spelled in (code.name, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", code.name).upper())}


@dataclass(frozen=True, slots=True)
class Hit:
    """An identifier with an old word, where it stands first in a file. Line 0 is the name of the file itself."""

    path: str
    line: int
    identifier: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.identifier} ({self.old} -> {self.new})"


_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PHRASES = {tuple(old.split("_")): (old, new) for old, new in OLD_WORDS.items()}
_LONGEST = max(map(len, _PHRASES))


@functools.cache
def old_word(identifier: str) -> tuple[str, str] | None:
    """The first old word of an identifier, and the new one."""
    if identifier in OLD_NAMES:
        return identifier, OLD_NAMES[identifier]
    parts = [part.lower() for part in _PART.findall(identifier)]
    for at in range(len(parts)):
        for length in range(_LONGEST, 0, -1):
            found = _PHRASES.get(tuple(parts[at : at + length]))
            if found is not None:
                return found
    return None


#: What a Cython file has: texts and comments, which are passed over, and identifiers.
_CYTHON = re.compile(
    r'"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|#[^\n]*|\n|([A-Za-z_]\w*)'
)


def cython_names(text: str) -> Iterator[tuple[str, int]]:
    """Identifiers of Cython code, keywords included, and their lines."""
    line = 1
    for match in _CYTHON.finditer(text):
        if match[1]:
            yield match[1], line
        line += match[0].count("\n")


def python_names(path: Path) -> Iterator[tuple[str, int]]:
    """Identifiers of Python code, keywords included, and their lines."""
    with path.open(encoding="utf-8") as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.NAME:
                yield token.string, token.start[0]


def hits_in(root: Path, files: Iterable[Path]) -> list[Hit]:
    """Old words in names, each once per file."""
    hits = []
    for path in sorted(files):
        found = (
            cython_names(path.read_text(encoding="utf-8")) if path.suffix in {".pyx", ".pxd"} else python_names(path)
        )
        where = path.relative_to(root).as_posix()
        # A folder is a module too.
        names = dict.fromkeys((path.stem, *where.split("/")[:-1]), 0)
        for name, line in found:
            names.setdefault(name, line)
        for name, line in names.items():
            if (word := old_word(name)) is not None:
                hits.append(Hit(where, line, name, *word))
    return hits


def _excepted(hit: Hit) -> bool:
    excepted = any(hit.identifier == name and hit.path.startswith(where) for name, where, _ in EXCEPTIONS)
    return excepted or hit.identifier in CODES


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in {".py", ".pyi", ".pyx", ".pxd"}]


@functools.cache
def _hits() -> tuple[Hit, ...]:
    return tuple(hits_in(ROOT, (path for folder in FOLDERS for path in _files(ROOT / folder))))


def test_no_name_has_an_old_word() -> None:
    """No identifier and no module has an old word, but for those with a reason."""
    wrong = [hit for hit in _hits() if not _excepted(hit)]
    assert not wrong, "old words (docs/glossary.md has the new ones):\n" + "\n".join(map(str, wrong))


def test_every_exception_is_needed() -> None:
    """An exception that nothing uses any more is to be removed."""
    missing = tuple(f"{folder}/" for folder in FOLDERS if not (ROOT / folder).exists())
    idle = [
        name
        for name, where, _ in EXCEPTIONS
        if not any(hit.identifier == name and hit.path.startswith(where) for hit in _hits())
        and not all(begin in missing for begin in where)
    ]
    assert not idle, f"exceptions without a use: {', '.join(idle)}"


def test_all_folders_are_searched() -> None:
    """The folders are there and have code, that of the kernel in every form."""
    assert [folder for folder, needed in FOLDERS.items() if needed and not _files(ROOT / folder)] == []
    assert {path.suffix for path in _files(ROOT / "_fastfit")} == {".py", ".pyi", ".pyx", ".pxd"}


@pytest.mark.parametrize(
    ("identifier", "old"),
    [
        ("promise", "promise"),
        ("_open_promises", "promises"),
        ("NodeReport", "report"),
        ("NRTReport", "report"),
        ("READ_REPORT", "report"),
        ("report2", "report"),
        ("strikeNode", "strike"),
        ("moves_in", "moves_in"),
        ("vmMovesIn", "moves_in"),
        ("nobody_cares_here", "nobody_cares"),
        ("OPEN", "OPEN"),
        ("left_open", "left_open"),
    ],
)
def test_old_words_are_found_in_names(identifier: str, old: str) -> None:
    """Parts of snake_case, CamelCase and constants are seen; a word of several parts as a whole."""
    assert (old_word(identifier) or ("", ""))[0] == old


@pytest.mark.parametrize(
    "identifier",
    ["compromise", "reporter", "bookmark", "homes_in", "moves", "open_file", "alone", "reported", "vCPUs", ""],
)
def test_other_words_pass(identifier: str) -> None:
    """Words that only contain an old one, or one part of it, are no old words."""
    assert old_word(identifier) is None


_PYTHON = '''"""promise"""
# withdraw
text = "picture" + f"{1:d}lessons"
class MadeUpTenant:
    kindness: int = 0
    def take(self, former): return self.struck(report=former)
'''
_CYTHON_CODE = '''"""promise
picture"""
# withdraw
cdef enum:
    BELIEF = 1
cdef inline int taught(const Row *row) noexcept nogil:  # lessons
    return row.bearing + len("books")
'''


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.py", _PYTHON, [(4, "MadeUpTenant"), (5, "kindness"), (6, "former"), (6, "report"), (6, "struck")]),
        ("a.pyi", "def lack() -> None: ...\n", [(1, "lack")]),
        ("a.pyx", _CYTHON_CODE, [(5, "BELIEF"), (6, "taught"), (7, "bearing")]),
        ("a.pxd", _CYTHON_CODE, [(5, "BELIEF"), (6, "taught"), (7, "bearing")]),
        ("_read_report.py", "", [(0, "_read_report")]),
        ("lessons/a.py", "", [(0, "lessons")]),
    ],
)
def test_names_are_read_and_prose_is_not(tmp_path: Path, name: str, text: str, expected: list[tuple[int, str]]) -> None:
    """Made-up files: every old name is found once and with its line; comments, docstrings and texts are passed over."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    hits = hits_in(tmp_path, [path])
    assert sorted((hit.line, hit.identifier) for hit in hits) == expected
    assert all(str(hit) == f"{name}:{hit.line}: {hit.identifier} ({hit.old} -> {hit.new})" for hit in hits)
