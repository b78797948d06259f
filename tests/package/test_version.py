"""The version stands in extender/__init__.py; whatever else names one names the same."""

import json
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from extender import __version__
from tests.package.tree import GITHUB, ROOT, load_yaml, program, pyproject

TEXTS = [
    *(path for path in (ROOT / "deploy").rglob("*") if path.is_file()),
    *(path for path in (ROOT / "docs").rglob("*.md")),
    *(path for path in GITHUB.rglob("*") if path.is_file()),
    *ROOT.glob("*.md"),
]
#: An image of ours with its tag, a distribution file, and the program's own words.
MENTIONS = (r"\bfastfit:(\d[\w.]*\w)", r"kubevirt_fastfit-(\d[\w.]*?)(?:\.tar|-)", r"fastfit, version (\d[\w.]*\w)")


def test_the_package_takes_it_from_there() -> None:
    """pyproject.toml has no version of its own, and what is installed says the same."""
    project = pyproject()
    assert project["project"]["dynamic"] == ["version"]
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "extender.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert version("kubevirt-fastfit") == __version__, "run `make install`"


def test_the_program_says_it() -> None:
    """`fastfit --version`, which issue forms ask for."""
    done = subprocess.run([program("fastfit"), "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"fastfit, version {__version__}\n")


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_texts_name_it(path: Path) -> None:
    """Commands that build, tag or run an image can be copied as they stand."""
    text = path.read_text(encoding="utf-8")
    named = [(match[0], match[1]) for pattern in MENTIONS for match in re.finditer(pattern, text)]
    assert [found for found in named if found[1] != __version__] == []


def test_mentions_are_found() -> None:
    """The patterns above match what they are for; `deploy/README.md` has a command to build the image."""
    text = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    assert re.findall(MENTIONS[0], text)
    examples = ("localhost/fastfit:1.2.3 .", "dist/kubevirt_fastfit-1.2.3.tar.gz", "fastfit, version 1.2.3")
    assert [re.findall(pattern, text) for pattern, text in zip(MENTIONS, examples, strict=True)] == [["1.2.3"]] * 3


def test_manifests_ask_for_its_image() -> None:
    """Every kustomization that sets the tag of our image."""
    tags = {
        str(path.relative_to(ROOT)): image["newTag"]
        for path in (ROOT / "deploy").rglob("kustomization.yaml")
        for image in load_yaml(path).get("images", [])
        if image["name"] == "fastfit"
    }
    assert len(tags) >= 2
    assert set(tags.values()) == {__version__}, tags


def test_the_sample_was_taken_with_it() -> None:
    """The bundled snapshot; `python -m extender.sample.generate` writes it."""
    sample = json.loads((ROOT / "extender" / "sample" / "cluster.json").read_text(encoding="utf-8"))
    assert sample["extender"]["version"] == __version__


def test_the_changelog_has_it() -> None:
    """The newest release is this version; before the first one there is only what is unreleased."""
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    released = [re.fullmatch(r"(\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d", heading) for heading in headings[1:]]
    assert all(released), headings
    assert [match[1] for match in released if match][:1] in ([], [__version__])
