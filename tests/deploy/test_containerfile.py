"""The image: a linter checks its file, and its install steps run here in the place of a container."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.manifests import DEPLOY, ROOT, tool

CONTAINERFILE = DEPLOY / "Containerfile"


def _instructions() -> Iterator[tuple[str, str]]:
    """(instruction, arguments) of the file, continued lines joined, comments left out."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


def _stages() -> list[list[tuple[str, str]]]:
    stages: list[list[tuple[str, str]]] = []
    for word, rest in _instructions():
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, rest))
    return stages


def test_linter_is_content() -> None:
    """hadolint finds nothing, not even at its lowest level."""
    hadolint = tool("hadolint")
    done = subprocess.run([hadolint, "--no-color", "--failure-threshold", "style", CONTAINERFILE], capture_output=True)
    assert (done.returncode, done.stdout.decode()) == (0, "")


def test_stages_share_one_pinned_python() -> None:
    """Both stages name the same patch release, so that the kernel meets the ABI it was compiled for."""
    froms = [rest.split() for stage in _stages() for word, rest in stage if word == "FROM"]
    tags = [re.fullmatch(r"docker\.io/library/python:(\d+\.\d+\.\d+)(-slim)?-(\w+)", words[0]) for words in froms]
    assert len(tags) == 2
    assert all(tags), froms
    assert len({(tag[1], tag[3]) for tag in tags if tag}) == 1
    assert [tag[2] for tag in tags if tag] == [None, "-slim"], "no compiler in the image that runs"


def test_image_runs_as_the_user_of_the_manifests() -> None:
    """65532 by number, no shell between the runtime and the program."""
    last = dict(_stages()[-1])
    assert last["USER"] == "65532:65532"
    assert last["ENTRYPOINT"] == '["/opt/fastfit/bin/fastfit"]'
    assert "RUN" not in last, "nothing is executed in the image that runs"


def test_ignore_file_lets_every_copied_source_in() -> None:
    """What COPY names is excepted from the ignore file, and nothing else is."""
    lines = (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {source for word, rest in _stages()[0] if word == "COPY" for source in rest.split()[:-1]}
    assert allowed == copied
    assert "*" in lines


@pytest.mark.slow
def test_install_steps_in_a_clean_environment(tmp_path: Path) -> None:
    """The build stage's COPY and RUN lines, below a directory instead of /, give a `fastfit` that starts."""
    for root in ("src", "opt", "bin"):
        (tmp_path / root).mkdir()
    # `python` in the image is its own interpreter, not that of a virtual environment.
    interpreter = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (tmp_path / "bin" / "python").write_text(f'#!/bin/sh\nexec "{interpreter}" "$@"\n')
    (tmp_path / "bin" / "python").chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{environment['PATH']}"

    for word, rest in _stages()[0]:
        if word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                _copy(ROOT / source, tmp_path / "src" / target, into=target.endswith("/"))
        elif word == "RUN":
            command = rest.replace("/opt/", f"{tmp_path}/opt/")
            done = subprocess.run(
                ["/bin/sh", "-c", command], cwd=tmp_path / "src", env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"

    installed = tmp_path / "opt" / "fastfit" / "bin"
    for program, arguments in (("fastfit", ["--help"]), ("fastfit", ["serve", "--help"])):
        done = subprocess.run(
            [installed / program, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    # The compiled kernel is in the wheel, not the plain twin alone, and comes from there.
    kernel = "import _fastfit._fit, _fastfit._wire, extender; print(_fastfit._fit.__file__, extender.__file__)"
    done = subprocess.run(
        [installed / "python", "-c", kernel], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    native, package = done.stdout.split()
    assert native.endswith(".so")
    assert Path(package).is_relative_to(tmp_path / "opt")


def _copy(source: Path, target: Path, *, into: bool) -> None:
    """COPY: a directory's content, or a file into a directory; local build results stay behind, as ignored."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.c"))
    elif into:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    else:
        shutil.copy2(source, target)
