"""The manifests on a real API server: they apply, their pods are admitted, and opting in has its effect."""

import json
from typing import Any

import pytest

from extender.names import SCHEDULER_NAME
from tests.deploy.manifests import DEPLOY, RENDERED, Object, named, pod_spec, render
from tests.kit.cluster.api import ApiError
from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.cluster.processes import wait_for

OPT_IN = DEPLOY / "optin"
UID = "00000000-1d5c-4c43-9f0e-1b0f6a0c7a55"


def _apply(cluster: ControlPlane, directory: str) -> None:
    done = cluster.kubectl("apply", "-k", str(DEPLOY / directory))
    assert done.stderr == "", "kubectl warns of what the API server finds wanting"


@pytest.mark.parametrize("directory", RENDERED)
def test_applies_and_stays(cluster: ControlPlane, directory: str) -> None:
    """`kubectl apply -k` takes it without a warning, and finds nothing to change the next time."""
    _apply(cluster, directory)
    assert cluster.kubectl("diff", "-k", str(DEPLOY / directory), check=False).returncode == 0


@pytest.mark.parametrize("server_side", [False, True], ids=["client side", "server side"])
def test_an_upgrade_keeps_the_records(cluster: ControlPlane, server_side: bool) -> None:
    """Layouts written by the running extender are still there after the manifests, changed ones too, are applied again."""
    flags = ["--server-side", "--force-conflicts"] if server_side else []
    path = "/api/v1/namespaces/fastfit/configmaps/fastfit-layouts-0"
    cluster.kubectl("apply", *flags, "-k", str(DEPLOY / "base"))
    cluster.api.patch(path, {"data": {UID: "2026-11-25 4+4"}})
    written = cluster.api.get(path)
    for directory in ("base", "overlays/default-scheduler"):
        cluster.kubectl("apply", *flags, "-k", str(DEPLOY / directory))
        assert cluster.api.get(path)["data"] == written["data"] == {UID: "2026-11-25 4+4"}
        assert cluster.kubectl("diff", *flags[:1], "-k", str(DEPLOY / directory), check=False).returncode == 0
    record = named(render("base"), "ConfigMap", "fastfit-layouts-0")
    changed = {**record, "metadata": {**record["metadata"], "labels": {**record["metadata"]["labels"], "new": "label"}}}
    cluster.kubectl("apply", *flags, "-f", "-", stdin=json.dumps(changed))
    after = cluster.api.get(path)
    assert after["metadata"]["labels"]["new"] == "label"
    assert after["data"] == written["data"]
    cluster.api.patch(path, {"data": {UID: None}})


def test_the_leaving_commands_take_the_records_away(cluster: ControlPlane) -> None:
    """The README's line by label, as printed, leaves nothing of them behind."""
    _apply(cluster, "base")
    (line,) = [x for x in (DEPLOY / "README.md").read_text().splitlines() if "component=layouts" in x]
    cluster.kubectl(*line.split()[1:])
    found = cluster.kubectl("get", "configmap,role,rolebinding", "-n", "fastfit", "-o", "name").stdout
    assert "layouts" not in found
    assert "fastfit-lease" in found


@pytest.mark.parametrize("directory", RENDERED)
def test_pods_are_admitted_under_the_namespaces_standard(cluster: ControlPlane, directory: str) -> None:
    """The API server accepts the workload's pod in its namespace, held to the standard of its label."""
    _apply(cluster, directory)
    pod = _pod(directory)
    assert cluster.request("POST", "/api/v1/namespaces/fastfit/pods?dryRun=All", pod)["spec"]["priority"] > 10**9


def test_standard_is_enforced(cluster: ControlPlane) -> None:
    """The test above could fail: the same pod without its seccomp profile is refused."""
    _apply(cluster, "base")
    pod = _pod("base")
    del pod["spec"]["securityContext"]["seccompProfile"]
    with pytest.raises(ApiError, match="violates PodSecurity"):
        cluster.request("POST", "/api/v1/namespaces/fastfit/pods?dryRun=All", pod)


def test_leaving_takes_the_extender_out(cluster: ControlPlane) -> None:
    """Applied over the reference, the overlay leaves one Deployment, with kube-scheduler alone."""
    _apply(cluster, "base")
    path = "/apis/apps/v1/namespaces/fastfit/deployments/fastfit"
    before = cluster.request("GET", path)
    _apply(cluster, "overlays/leave")
    after = cluster.request("GET", path)
    assert before["metadata"]["uid"] == after["metadata"]["uid"]
    assert [c["name"] for c in before["spec"]["template"]["spec"]["initContainers"]] == ["extender"]
    pod = after["spec"]["template"]["spec"]
    assert not pod.get("initContainers")
    assert [c["name"] for c in pod["containers"]] == ["kube-scheduler"]
    assert [v["name"] for v in pod["volumes"]] == ["scheduler"]


@pytest.mark.parametrize("name", ["virtual-machine", "instance-type", "namespace-policy"])
def test_opt_in_files_apply(cluster: ControlPlane, name: str) -> None:
    """Each file is taken by the API server, unknown fields refused."""
    done = cluster.kubectl("apply", "--validate=strict", "-f", str(OPT_IN / f"{name}.yaml"))
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("labels", "spec", "scheduler"),
    [
        ({"fastfit.dev/opt-in": "true"}, {}, SCHEDULER_NAME),
        ({"fastfit.dev/opt-in": "true"}, {"schedulerName": ""}, SCHEDULER_NAME),
        ({"fastfit.dev/opt-in": "true"}, {"schedulerName": "another"}, "another"),
        ({"fastfit.dev/opt-in": "false"}, {}, None),
        ({}, {}, None),
    ],
    ids=["labelled", "empty name", "named another", "labelled false", "not labelled"],
)
def test_policy_names_the_scheduler(
    cluster: ControlPlane, labels: dict[str, str], spec: Object, scheduler: str | None
) -> None:
    """A VM instance created in a labelled namespace gets the scheduler, unless it names one; others are left alone."""
    _policy_in_force(cluster)
    created = _create_vmi(cluster, cluster.namespace(labels=labels), spec)
    assert created["spec"].get("schedulerName") == scheduler
    # The rest of what was asked for is as it was.
    assert created["spec"]["domain"] == {"devices": {}}


def test_policy_leaves_running_vms_alone(cluster: ControlPlane) -> None:
    """A VM that was there before is not moved by a later change: it joins when it is created again."""
    _policy_in_force(cluster)
    namespace = cluster.namespace()
    created = _create_vmi(cluster, namespace, {})
    cluster.kubectl("label", "namespace", namespace, "fastfit.dev/opt-in=true")
    path = f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances/{created['metadata']['name']}"
    updated = cluster.api.patch(path, {"metadata": {"annotations": {"touched": "yes"}}})
    assert "schedulerName" not in updated["spec"]


def test_first_command_of_the_readme_shows_who_opted_in(cluster: ControlPlane) -> None:
    """The README's list of VMs and schedulers works as printed."""
    (line,) = [x for x in (DEPLOY / "README.md").read_text().splitlines() if x.startswith("kubectl get vmi ")]
    namespace = cluster.namespace()
    _create_vmi(cluster, namespace, {"schedulerName": SCHEDULER_NAME})
    printed = cluster.kubectl(*line.split()[1:]).stdout.splitlines()
    assert [row.split()[2] for row in printed if row.startswith(f"{namespace} ")] == [SCHEDULER_NAME]


def _pod(directory: str) -> Object:
    objects = render(directory)
    kind = "DaemonSet" if directory == "overlays/default-scheduler" else "Deployment"
    labels = named(objects, kind, "fastfit")["spec"]["template"]["metadata"]["labels"]
    metadata = {"generateName": "fastfit-", "namespace": "fastfit", "labels": labels}
    spec = {**pod_spec(objects)}
    spec["securityContext"] = {**spec["securityContext"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _create_vmi(cluster: ControlPlane, namespace: str, spec: Object) -> Object:
    """Create a VM instance; the API server asks to come back while it has not yet read the schema of a new kind."""
    manifest = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {"generateName": "vm-", "namespace": namespace},
        "spec": {"domain": {"devices": {}}, **spec},
    }

    def create() -> Any:
        try:
            return cluster.api.create(manifest)
        except ApiError as error:
            if error.status != 503:
                raise
            return None

    created: Object = wait_for(create, "a VM instance to be accepted")
    return created


def _policy_in_force(cluster: ControlPlane) -> None:
    """Apply the policy and wait until it acts: the API server learns of it by a watch."""
    cluster.kubectl("apply", "-f", str(OPT_IN / "namespace-policy.yaml"))
    namespace = cluster.namespace(labels={"fastfit.dev/opt-in": "true"})
    wait_for(lambda: _create_vmi(cluster, namespace, {})["spec"].get("schedulerName"), "the policy to act")
