"""The bill of materials and the list of licences are current, complete, and of the form that tools read."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from extender import __version__
from tests.package.tree import ROOT
from tools.generate_sbom import ALLOWED, BUILD_ONLY, LICENCES, SBOM, packages


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SBOM.read_text(encoding="utf-8"))
    return found


def test_both_are_what_the_lock_says() -> None:
    """The generator would write the same."""
    done = subprocess.run(
        [sys.executable, "tools/generate_sbom.py", "--check"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_it_is_cyclonedx(bill: dict[str, Any]) -> None:
    """The fields that the specification requires, references that exist, and one component per line of the lock."""
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    assert bill["metadata"]["component"]["version"] == __version__
    lock = re.findall(r"^([a-z0-9-]+)==([^ \\;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert [(each["name"], each["version"]) for each in bill["components"]] == sorted(lock)
    refs = {each["bom-ref"] for each in bill["components"]} | {"fastfit"}
    assert len(refs) == len(bill["components"]) + 1
    assert {each["ref"] for each in bill["dependencies"]} == refs
    assert {ref for each in bill["dependencies"] for ref in each["dependsOn"]} <= refs
    assert all(each["purl"].startswith("pkg:pypi/") for each in bill["components"])


def test_what_is_installed_with_us_is_reachable(bill: dict[str, Any]) -> None:
    """Every package but the build's tools is needed by us, directly or through another."""
    needs = {each["ref"]: each["dependsOn"] for each in bill["dependencies"]}
    reached, waiting = set(), ["fastfit"]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting += needs[ref]
    required = {each["bom-ref"] for each in bill["components"] if each["scope"] == "required"}
    assert required <= reached


def test_every_licence_was_agreed_to() -> None:
    """Each part of each expression is one that we allow; the two under MPL-2.0 are named in the list for people."""
    for each in packages():
        parts = set(re.findall(r"[A-Za-z0-9.-]+", each.licence)) - {"AND", "OR"}
        assert parts <= ALLOWED, each.name
    weak = {each.name for each in packages() if "MPL" in each.licence}
    assert weak == {"certifi", "orjson"}
    text = LICENCES.read_text(encoding="utf-8")
    assert "certifi, orjson are (also) under MPL-2.0" in text


def test_the_builds_tools_are_those_that_leave_the_image() -> None:
    """What the Containerfile uninstalls, and what came with it."""
    (line,) = re.findall(r"pip uninstall --yes (.*)", (ROOT / "deploy" / "Containerfile").read_text())
    assert set(line.split()) - {"pip"} <= BUILD_ONLY
