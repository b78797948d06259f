"""Who may do what: the extender's role is what it uses, and kube-scheduler has what it needs."""

import pytest

from extender.cache.vms.layout_entry import SHARDS
from tests.deploy.manifests import RENDERED, Object, named, render

#: Kinds that the extender watches; a first state comes by `watch` (WatchList) or, as a fallback, by `list`.
WATCHED = {
    ("", "nodes"),
    ("", "pods"),
    ("topology.node.k8s.io", "noderesourcetopologies"),
    ("kubevirt.io", "virtualmachineinstances"),
    ("kubevirt.io", "virtualmachineinstancemigrations"),
    ("kubevirt.io", "kubevirts"),
}

SUBJECT = [{"kind": "ServiceAccount", "name": "fastfit", "namespace": "fastfit"}]


def granted(role: Object) -> set[tuple[str, str, str]]:
    """(group, resource, verb) of every rule, whatever names it is limited to."""
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("directory", ["base", "overlays/emulation", "overlays/default-scheduler"])
def test_extender_reads_six_kinds_and_annotates_one(directory: str) -> None:
    """list and watch on what it watches, patch on VM instances, cluster-wide, and nothing else."""
    role = named(render(directory), "ClusterRole", "fastfit-extender")
    assert granted(role) == {(*kind, verb) for kind in WATCHED for verb in ("list", "watch")} | {
        ("kubevirt.io", "virtualmachineinstances", "patch")
    }
    assert all(rule.keys() == {"apiGroups", "resources", "verbs"} for rule in role["rules"])


@pytest.mark.parametrize("directory", ["base", "overlays/emulation", "overlays/default-scheduler"])
def test_extender_keeps_its_records_by_name(directory: str) -> None:
    """In its namespace it gets and patches the ConfigMaps of last layouts, each by name, and no other object."""
    objects = render(directory)
    (rule,) = named(objects, "Role", "fastfit-layouts")["rules"]
    assert rule == {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": list(SHARDS),
        "verbs": ["get", "patch"],
    }
    for name in SHARDS:
        (found,) = [o for o in objects if o["kind"] == "ConfigMap" and o["metadata"]["name"] == name]
        assert found["metadata"]["namespace"] == "fastfit"
        assert found.keys() == {"apiVersion", "kind", "metadata"}, "applying it would wipe what was written"


@pytest.mark.parametrize("directory", RENDERED)
def test_every_binding_is_for_our_account(directory: str) -> None:
    """All bindings name the one ServiceAccount, which exists and which the pod uses."""
    objects = render(directory)
    named(objects, "ServiceAccount", "fastfit")
    for binding in (o for o in objects if o["kind"].endswith("RoleBinding")):
        assert binding["subjects"] == SUBJECT
    (workload,) = [o for o in objects if o["kind"] in ("Deployment", "DaemonSet")]
    assert workload["spec"]["template"]["spec"]["serviceAccountName"] == "fastfit"


@pytest.mark.parametrize("directory", ["base", "overlays/emulation", "overlays/leave"])
def test_kube_scheduler_has_its_roles(directory: str) -> None:
    """The two built-in cluster roles, the reader of the authentication settings, and its lease."""
    objects = render(directory)
    assert {
        (o["kind"], o["metadata"].get("namespace"), o["roleRef"]["kind"], o["roleRef"]["name"])
        for o in objects
        if o["kind"].endswith("RoleBinding") and o["metadata"]["name"] not in {"fastfit-extender", "fastfit-layouts"}
    } == {
        ("ClusterRoleBinding", None, "ClusterRole", "system:kube-scheduler"),
        ("ClusterRoleBinding", None, "ClusterRole", "system:volume-scheduler"),
        ("RoleBinding", "kube-system", "Role", "extension-apiserver-authentication-reader"),
        ("RoleBinding", "fastfit", "Role", "fastfit-lease"),
    }
    assert granted(named(objects, "Role", "fastfit-lease")) == {
        ("coordination.k8s.io", "leases", verb) for verb in ("create", "get", "update")
    }


def test_default_scheduler_form_has_the_extenders_rights_alone() -> None:
    """There the extender has a pod, and so a token, of its own."""
    bindings = [o for o in render("overlays/default-scheduler") if o["kind"].endswith("RoleBinding")]
    assert [b["roleRef"]["name"] for b in bindings] == ["fastfit-layouts", "fastfit-extender"]
