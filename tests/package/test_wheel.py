"""What is published: sdist and wheel are built, hold what they must, and work in an environment of their own."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from extender import __version__
from tests.package.tree import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

#: What the build reads. The tree itself holds a kernel that is built already, which must not be packed.
SOURCES = ("_fastfit", "extender", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
MODULES = ("_fit", "_table", "_wire")


def _run(command: Sequence[str | Path], cwd: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sdist, and the wheel that was built from the sdist, as `make dist` makes them; the tools are the locked ones."""
    tree = tmp_path_factory.mktemp("tree")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.c")
            shutil.copytree(ROOT / name, tree / name, ignore=ignored)
        else:
            shutil.copy2(ROOT / name, tree / name)
    # Not part of the package; it must not be packed from here either.
    shutil.copytree(ROOT / "tests" / "package", tree / "tests" / "package")
    _run([sys.executable, "-m", "build", "--no-isolation", "--outdir", tree / "dist", "."], tree)
    return tree / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    """The one wheel."""
    (found,) = dist.glob("*.whl")
    return found


def _tree_files(suffixes: set[str]) -> set[str]:
    """Files of both packages in the repository with one of the suffixes."""
    return {
        str(path.relative_to(ROOT))
        for package in ("_fastfit", "extender")
        for path in (ROOT / package).rglob("*")
        if path.suffix in suffixes
    }


def test_the_wheel_holds_the_program_and_nothing_else(wheel: Path) -> None:
    """All Python, the compiled kernel with its sources and types, the sample; the licence; no tests and no C."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(f"kubevirt_fastfit-{__version__}.dist-info/METADATA").decode()
    packed = {name for name in names if ".dist-info/" not in name}
    compiled = {name for name in packed if name.endswith(".so")}
    assert sorted(re.sub(r"\..*", "", name) for name in compiled) == [f"_fastfit/{module}" for module in MODULES]
    assert packed - compiled == _tree_files({".py", ".pyx", ".pxd", ".pyi", ".json", ".typed"})
    assert {"extender/sample/cluster.json", "_fastfit/_fit.pyx", "_fastfit/_types.pxd", "_fastfit/py.typed"} <= packed
    assert f"kubevirt_fastfit-{__version__}.dist-info/licenses/LICENSE" in names
    assert f"\nVersion: {__version__}\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata


def test_the_sdist_holds_the_sources(dist: Path) -> None:
    """All that a build reads, and neither tests nor anything compiled. The wheel above was built from it."""
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert _tree_files({".py", ".pyx", ".pxd", ".pyi", ".json", ".typed"}) <= names
    assert {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO"} <= names
    assert [name for name in names if name.startswith("tests") or name.endswith((".so", ".c"))] == []


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the wheel, the locked requirements and nothing of the tree."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", ROOT / "requirements.lock"], folder, _clean())
    _run([*pip, "--no-deps", "--no-index", wheel], folder, _clean())
    return folder / "bin"


def _clean() -> dict[str, str]:
    """This process's environment without what leads Python to the tree."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV", "FASTFIT"))}


def test_the_installed_program_says_its_version(installed: Path, tmp_path: Path) -> None:
    """Under both names."""
    assert _run([installed / "fastfit", "--version"], tmp_path, _clean()) == f"fastfit, version {__version__}\n"
    said = _run([installed / "kubectl-fastfit", "--version"], tmp_path, _clean())
    assert said == f"fastfit, version {__version__}\n"


def test_the_installed_kernel_is_the_compiled_one(installed: Path, tmp_path: Path) -> None:
    """It comes from the environment, not from the tree, and is not the plain one."""
    probe = (
        "import _fastfit, _fastfit._fit, extender; print(_fastfit.BACKEND, _fastfit._fit.__file__, extender.__file__)"
    )
    backend, kernel, package = _run([installed / "python", "-c", probe], tmp_path, _clean()).split()
    assert backend == "cython"
    assert kernel.endswith(".so")
    assert all(Path(path).is_relative_to(installed.parent) for path in (kernel, package))


def test_the_installed_demo_judges_serves_and_ends(installed: Path, tmp_path: Path) -> None:
    """Every waiting VM has its table; the printed curl line names the sample; Ctrl-C ends it without an error."""
    command = [installed / "fastfit", "demo", "--bind", "127.0.0.1:0"]
    demo = subprocess.Popen(
        command, cwd=tmp_path, env=_clean(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert demo.stdout is not None
        lines = []
        for line in demo.stdout:
            lines.append(line)
            if line.startswith("curl "):
                break
        said = "".join(lines)
        assert lines, demo.communicate()[1]
        assert lines[-1].startswith("curl "), said + demo.communicate()[1]
        body = re.search(r"@(\S+filter\.json)", lines[-1])
        assert body is not None
        assert Path(body[1]).is_relative_to(installed.parent)
        assert re.search(r"^Pod vms/virt-launcher-frontdesk-\w+: virtual machine", said, re.MULTILINE)
        assert len(re.findall(r"^NODE +VERDICT", said, re.MULTILINE)) >= 2
        demo.send_signal(signal.SIGINT)
        _, complaints = demo.communicate(timeout=60)
    finally:
        demo.kill()
        demo.wait()
    assert (demo.returncode, complaints) == (0, "")
