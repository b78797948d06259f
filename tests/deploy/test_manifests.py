"""Every manifest is sound by itself: it loads, is tidy, has the shape of its kind, and names only what exists."""

import re
from pathlib import Path

import kubernetes_validate
import pytest
from yamllint import linter
from yamllint.config import YamlLintConfig

from extender import __version__
from extender.config import parse
from extender.names import API_VERSION, CONFIG_KIND, PREFIX, SCHEDULER_NAME
from tests.deploy.manifests import DEPLOY, RENDERED, ROOT, Object, documents, kustomize, render

LINT = YamlLintConfig(
    "extends: default\n"
    "rules:\n"
    "  line-length: {max: 120}\n"
    "  document-start: disable\n"
    "  indentation: {spaces: 2, indent-sequences: consistent}\n"
)

#: Kinds of Kubernetes itself; the schemas of custom kinds and of configuration files are not published with it.
CUSTOM = ("kubevirt.io", "kubescheduler.config.k8s.io", "kubeadm.k8s.io", "kustomize.config.k8s.io", PREFIX)

FILES = sorted(DEPLOY.rglob("*.yaml"))


def _relative(path: Path) -> str:
    return str(path.relative_to(DEPLOY))


@pytest.mark.parametrize("path", FILES, ids=_relative)
def test_file_is_tidy_yaml(path: Path) -> None:
    """yamllint finds nothing, duplicate keys included."""
    problems = linter.run(path.read_text(), LINT, str(path))
    assert [f"{p.line}: {p.desc}" for p in problems] == []


@pytest.mark.parametrize("directory", RENDERED)
def test_objects_match_the_schema_of_their_kind(directory: str) -> None:
    """Each rendered object is valid for Kubernetes 1.36, unknown fields refused."""
    for found in render(directory):
        kubernetes_validate.validate(found, "1.36", strict=True)


@pytest.mark.parametrize("directory", RENDERED)
def test_every_object_is_in_a_namespace_we_know(directory: str) -> None:
    """All namespaced objects are in our namespace, but for the one binding that Kubernetes wants in kube-system."""
    elsewhere = {
        (o["kind"], o["metadata"]["name"]) for o in render(directory) if o["metadata"].get("namespace") == "kube-system"
    }
    assert elsewhere <= {("RoleBinding", "fastfit-authentication-reader")}
    assert {o["metadata"].get("namespace") for o in render(directory)} <= {None, "fastfit", "kube-system"}


@pytest.mark.parametrize("directory", RENDERED)
def test_namespace_comes_first(directory: str) -> None:
    """`kubectl apply` sends objects in order: the namespace must be there for the rest."""
    assert render(directory)[0]["kind"] == "Namespace"


def test_kustomize_warns_of_nothing() -> None:
    """No deprecated field is used: kustomize would say so on stderr."""
    for directory in RENDERED:
        done = kustomize(DEPLOY / directory)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", [p for p in FILES if p.name == "config.yaml"], ids=_relative)
def test_settings_decode(path: Path) -> None:
    """Every shipped FastfitConfiguration is accepted by the program that reads it."""
    (settings,) = documents(path)
    assert (settings["apiVersion"], settings["kind"]) == (API_VERSION, CONFIG_KIND)
    assert parse(path.read_text(), str(path)).mode == settings["mode"]


def test_names_are_those_of_the_program() -> None:
    """The scheduler name and the prefix are written as extender/names.py has them, and no near miss anywhere."""
    for path in FILES:
        text = path.read_text()
        assert set(re.findall(r"schedulerName: (\S+)", text)) <= {SCHEDULER_NAME, "default-scheduler"}, path
        assert set(re.findall(r"\bfastfit\.[a-z.]+(?=/)", text)) <= {PREFIX}, path


def test_image_version_is_that_of_the_project() -> None:
    """The image tag follows the version in extender/__init__.py, wherever it is named."""
    for directory in ("base", "overlays/default-scheduler"):
        (kustomization,) = documents(DEPLOY / directory / "kustomization.yaml")
        tags = {image["name"]: image["newTag"] for image in kustomization["images"]}
        assert tags["fastfit"] == __version__
    assert f"fastfit:{__version__}" in (DEPLOY / "Containerfile").read_text()
    assert f"fastfit:{__version__}" in (DEPLOY / "README.md").read_text()


def test_readme_links_lead_somewhere() -> None:
    """Every relative link and every `deploy/...` path of the README exists."""
    text = (DEPLOY / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (DEPLOY / target).exists(), target
    for target in re.findall(r"\bdeploy/[\w./-]+\b", text):
        assert (ROOT / target).exists(), target


def test_every_image_is_pinned() -> None:
    """No rendered image is without a tag or at `latest`."""
    for directory in RENDERED:
        for image in _images(render(directory)):
            assert re.fullmatch(r".+/.+:v?\d+\.\d+\.\d+", image), image


def _images(objects: tuple[Object, ...]) -> set[str]:
    pods = [o["spec"]["template"]["spec"] for o in objects if o["kind"] in ("Deployment", "DaemonSet")]
    return {c["image"] for pod in pods for c in pod.get("initContainers", []) + pod["containers"]}
