"""Writes docs/sbom.cdx.json (CycloneDX 1.6) and docs/licences.md: what is installed with fastfit, and under which licences.

Names and versions come from requirements.lock, licences and dependencies from what is installed from it.
`python tools/generate_sbom.py` writes; `--check` exits 1 where a file is not what would be written.
"""

import json
import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from extender import __version__

__all__ = ["ALLOWED", "BUILD_ONLY", "Package", "licences", "packages", "sbom"]

ROOT: Final = Path(__file__).resolve().parent.parent
SBOM: Final = ROOT / "docs" / "sbom.cdx.json"
LICENCES: Final = ROOT / "docs" / "licences.md"

#: Licences that a package may have; another one is a decision, made here.
ALLOWED: Final = frozenset({"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MPL-2.0", "PSF-2.0"})

#: Tools that build the kernel; deploy/Containerfile takes them out of the image again.
BUILD_ONLY: Final = frozenset({"cython", "packaging", "setuptools", "wheel"})

#: Texts of older metadata.
_SPDX: Final = {"Apache 2.0": "Apache-2.0"}
#: Of packages that the lock has for some versions of Python alone, and so may not be installed.
_STATED: Final = {"typing-extensions": "PSF-2.0"}

_PINNED: Final = re.compile(r"^([a-z0-9][a-z0-9-]*)==([^ ;\\]+)", re.MULTILINE)
_REQUIRED: Final = re.compile(r"^([A-Za-z0-9._-]+)")


@dataclass(frozen=True, slots=True)
class Package:
    """One line of the lock."""

    name: str
    version: str
    #: an SPDX expression
    licence: str
    #: names of packages of the lock that it needs
    needs: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def packages() -> list[Package]:
    """What requirements.lock names. Raises ValueError for a package whose licence is not stated."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = dict(_PINNED.findall(lock))
    return [
        Package(name, version, _licence(name), tuple(sorted(set(_needs(name)) & pinned.keys())))
        for name, version in sorted(pinned.items())
    ]


def _licence(name: str) -> str:
    text = ""
    with suppress(metadata.PackageNotFoundError):
        told = metadata.metadata(name)
        text = next((str(told[field]) for field in ("License-Expression", "License") if field in told), "")
    text = _SPDX.get(text, text) or _STATED.get(name, "")
    if not text:
        raise ValueError(f"{name}: is not installed, or states no licence; look it up and state it in {__file__}")
    return text


def _needs(name: str) -> Iterator[str]:
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return
    for line in lines:
        found = _REQUIRED.match(line)
        if found is not None and "extra ==" not in line:
            yield re.sub(r"[._]", "-", found.group(1)).lower()


def sbom() -> str:
    """The bill of materials. The same packages give the same text."""
    found = packages()
    ours = {
        "type": "application",
        "bom-ref": "fastfit",
        "name": "kubevirt-fastfit",
        "version": __version__,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    components = [
        {
            "type": "library",
            "bom-ref": each.purl,
            "name": each.name,
            "version": each.version,
            "scope": "excluded" if each.name in BUILD_ONLY else "required",
            "licenses": [_license_object(each.licence)],
            "purl": each.purl,
        }
        for each in found
    ]
    refs = {each.name: each.purl for each in found}
    direct = sorted(set(_needs("kubevirt-fastfit")) & refs.keys())
    graph = [{"ref": "fastfit", "dependsOn": [refs[name] for name in direct]}]
    graph += [{"ref": each.purl, "dependsOn": [refs[name] for name in each.needs]} for each in found]
    content = json.dumps([ours, components, graph], sort_keys=True)
    document: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, content).urn,
        "version": 1,
        "metadata": {"component": ours},
        "components": components,
        "dependencies": graph,
    }
    return json.dumps(document, indent=1) + "\n"


def _license_object(expression: str) -> dict[str, Any]:
    return {"expression": expression} if " " in expression else {"license": {"id": expression}}


def licences() -> str:
    """The list for people."""
    lines = [
        "# Licences",
        "",
        "fastfit is under Apache-2.0. With it are installed, in the versions of `requirements.lock`, from PyPI and unchanged:",
        "",
        "| package | version | licence |",
        "|---|---|---|",
    ]
    found = packages()
    lines += [f"| {each.name} | {each.version} | {each.licence} |" for each in found if each.name not in BUILD_ONLY]
    tools = ", ".join(f"{each.name} ({each.licence})" for each in found if each.name in BUILD_ONLY)
    weak = ", ".join(each.name for each in found if "MPL" in each.licence)
    lines += [
        "",
        f"Only to build the kernel, and taken out of the image again: {tools}.",
        "",
        f"{weak} are (also) under MPL-2.0, file by file: who passes on changed files of theirs passes on the source of",
        "these. fastfit changes none; their sources are on PyPI in these versions. What they are combined with keeps its licence.",
        "",
        "The image also holds Python (PSF-2.0) and the Debian packages of its base image, each with its licence in",
        "`/usr/share/doc`. For machines: [sbom.cdx.json](sbom.cdx.json) (CycloneDX 1.6). `python tools/generate_sbom.py` writes",
        "both.",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Writes or checks."""
    stale = []
    for path, text in ((SBOM, sbom()), (LICENCES, licences())):
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if "--check" in sys.argv[1:]:
            stale.append(path.name)
        else:
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"docs/{name} is not current: run `python tools/generate_sbom.py`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
