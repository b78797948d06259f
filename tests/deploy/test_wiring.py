"""The parts of a pod fit together: ports, probes, addresses, mounts, and who watches whom."""

import re

import pytest
import yaml

from extender.http.address import is_loopback, parse
from tests.deploy.manifests import (
    DEPLOY,
    RENDERED,
    ROOT,
    Object,
    config_map,
    container,
    documents,
    flags,
    named,
    pod_spec,
    render,
    scheduler_config,
)

WITH_EXTENDER = ("base", "overlays/emulation", "overlays/default-scheduler")
SECOND_SCHEDULER = ("base", "overlays/emulation", "overlays/leave")
COMPONENT = "app.kubernetes.io/component"
PROBES = {"startupProbe": "/startupz", "livenessProbe": "/livez", "readinessProbe": "/readyz"}


def _port(container: Object, probe: Object) -> int:
    """The number behind a probe's port, which may be a name of the same container."""
    port = probe["httpGet"]["port"]
    numbers = {p["name"]: p["containerPort"] for p in container["ports"]}
    number: int = numbers[port] if isinstance(port, str) else port
    return number


def _seconds(probe: Object) -> int:
    """How long a failure lasts until the kubelet acts."""
    seconds: int = probe["periodSeconds"] * probe.get("failureThreshold", 3)
    return seconds


@pytest.mark.parametrize("directory", WITH_EXTENDER)
def test_scheduler_calls_where_the_extender_listens(directory: str) -> None:
    """The URL in kube-scheduler's file is the extender's --bind, on loopback."""
    objects = render(directory)
    pod = pod_spec(objects)
    bind = flags(container(pod, "extender"))["bind"]
    if directory == "overlays/default-scheduler":
        config = scheduler_config("kubeadm")
    else:
        config = _mounted_scheduler_config(objects)
    (entry,) = config["extenders"]
    assert entry["urlPrefix"] == f"http://{bind}"
    assert is_loopback(parse(bind, "--bind").host)


@pytest.mark.parametrize("directory", WITH_EXTENDER)
def test_probes_ask_the_operations_port(directory: str) -> None:
    """Each of the extender's probes asks its path on the port that --ops-bind opens, at an address it is open on."""
    pod = pod_spec(render(directory))
    extender = container(pod, "extender")
    bind = parse(flags(extender)["ops-bind"], "--ops-bind")
    for name, path in PROBES.items():
        get = extender[name]["httpGet"]
        assert (get["path"], _port(extender, extender[name])) == (path, bind.port)
        # Without `host` the kubelet asks the pod's address, which a bind to loopback would not answer.
        assert get.get("host") == (bind.host if is_loopback(bind.host) else None)
    assert is_loopback(bind.host) == pod.get("hostNetwork", False), "the kubelet reaches no other loopback"


def test_probe_paths_are_served() -> None:
    """The operations port has the three paths."""
    router = "".join(p.read_text() for p in (ROOT / "extender" / "http").glob("*.py"))
    assert [path for path in PROBES.values() if f'"{path}"' not in router] == []


def test_ports_are_the_programs_defaults() -> None:
    """`fastfit serve` without flags uses the same two ports, so that documentation and manifests agree."""
    commands = "".join(p.read_text() for p in (ROOT / "extender" / "cli").glob("*.py"))
    for name in ("bind", "ops-bind"):
        port = flags(container(pod_spec(render("base")), "extender"))[name].rpartition(":")[2]
        assert f"127.0.0.1:{port}" in commands


@pytest.mark.parametrize("directory", ("base", "overlays/emulation"))
def test_extender_starts_first_and_lives_with_the_pod(directory: str) -> None:
    """It is a restartable init container with a startup probe: kube-scheduler starts when that has passed."""
    pod = pod_spec(render(directory))
    assert [c["name"] for c in pod["initContainers"]] == ["extender"]
    extender = pod["initContainers"][0]
    assert extender["restartPolicy"] == "Always"
    assert extender["startupProbe"]["httpGet"]["path"] == "/startupz"


@pytest.mark.parametrize("directory", ("base", "overlays/emulation"))
def test_dead_extender_costs_the_scheduler_its_lease(directory: str) -> None:
    """kube-scheduler's liveness probe asks the extender, and the extender alone is restarted before it."""
    pod = pod_spec(render(directory))
    extender, scheduler = container(pod, "extender"), container(pod, "kube-scheduler")
    probe = scheduler["livenessProbe"]
    assert probe["httpGet"]["path"] == "/livez"
    assert _port(scheduler, probe) == _port(extender, extender["livenessProbe"])
    assert "scheme" not in probe["httpGet"], "the extender's operations port speaks plain HTTP"
    assert _seconds(probe) >= 2 * _seconds(extender["livenessProbe"])


@pytest.mark.parametrize("directory", SECOND_SCHEDULER)
def test_scheduler_reads_the_mounted_file(directory: str) -> None:
    """What --config names is what the variant's directory holds."""
    variant = {"base": "", "overlays/emulation": "emulation", "overlays/leave": "leave"}[directory]
    assert _mounted_scheduler_config(render(directory)) == scheduler_config(variant)


@pytest.mark.parametrize("directory", WITH_EXTENDER)
def test_extender_reads_the_mounted_settings(directory: str) -> None:
    """What --config names is the ConfigMap with the settings, under a name that does not change with them."""
    objects = render(directory)
    pod = pod_spec(objects)
    extender = container(pod, "extender")
    assert "FastfitConfiguration" in config_map(objects, pod, extender, flags(extender)["config"])
    assert "fastfit-config" in [v["configMap"]["name"] for v in pod["volumes"]], "a hash would restart the extender"
    assert not [mount for mount in extender["volumeMounts"] if "subPath" in mount], "the kubelet never refreshes those"


def test_scheduler_settings_roll_the_pods() -> None:
    """kube-scheduler reads its file once, so another file must be another ConfigMap name."""
    names = {v["configMap"]["name"] for d in SECOND_SCHEDULER for v in pod_spec(render(d))["volumes"]}
    assert len({name for name in names if name.startswith("fastfit-scheduler-")}) == len(SECOND_SCHEDULER)


@pytest.mark.parametrize("directory", RENDERED)
def test_containers_are_confined(directory: str) -> None:
    """Non-root by number, read-only root, no capability, the runtime's seccomp profile, and no CPU limit."""
    pod = pod_spec(render(directory))
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for one in pod.get("initContainers", []) + pod["containers"]:
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= one["resources"]["requests"].keys()
        assert "cpu" not in one["resources"].get("limits", {})
        assert all(mount["readOnly"] for mount in one["volumeMounts"])


@pytest.mark.parametrize("directory", RENDERED)
def test_extender_keeps_the_memory_it_asked_for(directory: str) -> None:
    """Its memory request is its limit, so that no neighbour's growth gets it killed."""
    for one in (c for c in pod_spec(render(directory)).get("initContainers", []) if c["name"] == "extender"):
        assert one["resources"]["limits"]["memory"] == one["resources"]["requests"]["memory"]


@pytest.mark.parametrize("directory", SECOND_SCHEDULER)
def test_two_replicas_apart_with_a_budget(directory: str) -> None:
    """Two replicas, spread over nodes, one of them free to go at a time; selectors meet the pods' labels."""
    objects = render(directory)
    deployment = named(objects, "Deployment", "fastfit")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    (spread,) = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    budget = named(objects, "PodDisruptionBudget", "fastfit")
    assert deployment["spec"]["replicas"] == 2
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "DoNotSchedule")
    assert budget["spec"]["maxUnavailable"] == 1
    for selector in (deployment["spec"]["selector"], spread["labelSelector"], budget["spec"]["selector"]):
        assert selector["matchLabels"].items() <= labels.items()


def test_every_pod_is_critical() -> None:
    """VMs wait for these pods, so they are not preempted for ordinary ones."""
    for directory in RENDERED:
        assert pod_spec(render(directory))["priorityClassName"] == "system-cluster-critical"
        assert "schedulerName" not in pod_spec(render(directory)), "the scheduler must not wait for itself"


def test_namespace_holds_pods_to_the_standard_they_meet() -> None:
    """Restricted, except where the host's network is needed."""
    for directory in RENDERED:
        level = named(render(directory), "Namespace", "fastfit")["metadata"]["labels"]
        wanted = "privileged" if pod_spec(render(directory)).get("hostNetwork") else "restricted"
        assert level["pod-security.kubernetes.io/enforce"] == wanted


def test_leaving_leaves_no_trace_of_the_extender() -> None:
    """The overlay has a scheduler of our name and nothing that refers to the extender."""
    objects = render("overlays/leave")
    assert pod_spec(objects)["containers"][0]["livenessProbe"]["httpGet"]["port"] == "scheduler"
    assert not pod_spec(objects).get("initContainers")
    assert {o["metadata"]["name"] for o in objects if o["kind"].startswith("ClusterRole")} == {
        "fastfit-kube-scheduler",
        "fastfit-volume-scheduler",
    }
    removed = {(o["kind"], o["metadata"]["name"]) for o in render("base")}
    removed -= {(o["kind"], o["metadata"]["name"]) for o in objects}
    # What applying does not delete, the README has to; the hashed ConfigMap of the scheduler aside.
    text = (DEPLOY / "README.md").read_text()
    by_label = {(o["kind"], o["metadata"]["name"]) for o in render("base") if o["metadata"]["labels"].get(COMPONENT)}
    assert len(by_label & removed) == len(by_label) == 18 + 4
    assert re.search(rf"kubectl -n fastfit delete role,rolebinding,configmap -l {COMPONENT}=layouts", text)
    for kind, name in removed - by_label:
        assert name.startswith("fastfit-scheduler-") or re.search(rf"kubectl.* delete .*{kind.lower()}.* {name}", text)


def test_kubeadm_snippet_mounts_what_it_names() -> None:
    """The --config path given to the static pod lies in the directory mounted into it."""
    (cluster,) = documents(DEPLOY / "scheduler" / "kubeadm" / "cluster-configuration.yaml")
    (argument,) = cluster["scheduler"]["extraArgs"]
    (volume,) = cluster["scheduler"]["extraVolumes"]
    assert argument["name"] == "config"
    assert argument["value"] == f"{volume['mountPath']}/scheduler.yaml"
    assert f" {volume['hostPath']}/scheduler.yaml" in (DEPLOY / "README.md").read_text()


def test_default_scheduler_form_runs_beside_kube_scheduler() -> None:
    """The DaemonSet shares the host's network on control-plane nodes, taint or not."""
    pod = pod_spec(render("overlays/default-scheduler"))
    assert pod["hostNetwork"] is True
    assert pod["nodeSelector"] == {"node-role.kubernetes.io/control-plane": ""}
    assert [t["key"] for t in pod["tolerations"]] == ["node-role.kubernetes.io/control-plane"]


def _mounted_scheduler_config(objects: tuple[Object, ...]) -> Object:
    pod = pod_spec(objects)
    scheduler = container(pod, "kube-scheduler")
    config: Object = yaml.safe_load(config_map(objects, pod, scheduler, flags(scheduler)["config"]))
    return config
