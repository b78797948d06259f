"""What the manifests close beyond what the pods need."""

import pytest

from tests.deploy.manifests import DEPLOY, RENDERED, Object, container, named, pod_spec, render, scheduler_config

POD_FORMS = ("base", "overlays/emulation", "overlays/leave")


def _template(directory: str) -> Object:
    (workload,) = [o for o in render(directory) if o["kind"] in ("Deployment", "DaemonSet")]
    template: Object = workload["spec"]["template"]
    return template


@pytest.mark.parametrize("directory", RENDERED)
def test_only_our_pods_get_the_token(directory: str) -> None:
    """The account gives it to nobody, the pod asks for it."""
    assert named(render(directory), "ServiceAccount", "fastfit")["automountServiceAccountToken"] is False
    assert _template(directory)["spec"]["automountServiceAccountToken"] is True


@pytest.mark.parametrize("directory", RENDERED)
def test_no_mesh_stands_between(directory: str) -> None:
    """No sidecar is injected."""
    assert _template(directory)["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"


@pytest.mark.parametrize("variant", ["", "emulation", "kubeadm", "leave"])
def test_kube_scheduler_is_not_profiled(variant: str) -> None:
    """In every file of it, and there is no file that this test does not know."""
    assert scheduler_config(variant)["enableProfiling"] is False
    assert len(list((DEPLOY / "scheduler").rglob("scheduler.yaml"))) == 4


@pytest.mark.parametrize("directory", POD_FORMS)
def test_the_ports_of_the_pod_are_closed_but_for_prometheus(directory: str) -> None:
    """The policy selects our pod, names the ports that the containers have, and opens them to one namespace."""
    policy = named(render(directory), "NetworkPolicy", "fastfit")
    template = _template(directory)
    selected = policy["spec"]["podSelector"]["matchLabels"]
    assert selected.items() <= template["metadata"]["labels"].items()
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    (rule,) = policy["spec"]["ingress"]
    assert [set(source) for source in rule["from"]] == [{"namespaceSelector"}]
    open_ports = {port["port"] for port in rule["ports"]}
    scheduler = {port["containerPort"] for port in container(pod_spec(render("base")), "kube-scheduler")["ports"]}
    extender = {port["containerPort"] for port in container(pod_spec(render("base")), "extender")["ports"]}
    assert open_ports == scheduler | extender


def test_no_policy_pretends_to_close_the_hosts_network() -> None:
    """There a NetworkPolicy means nothing; the ports are on loopback instead."""
    assert not [o for o in render("overlays/default-scheduler") if o["kind"] == "NetworkPolicy"]
    extender = container(pod_spec(render("overlays/default-scheduler")), "extender")
    assert {word.split("=")[1].split(":")[0] for word in extender["args"] if "bind" in word} == {"127.0.0.1"}


def test_leaving_takes_the_admission_policies_away() -> None:
    """They guard an account's writes that no longer happen; the README's command removes what applying leaves."""
    assert not [o for o in render("overlays/leave") if o["kind"].startswith("ValidatingAdmission")]
    (line,) = [x for x in (DEPLOY / "README.md").read_text().splitlines() if "component=admission" in x]
    kinds = {kind.lower() for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")}
    assert set(line.split()[2].split(",")) == kinds
