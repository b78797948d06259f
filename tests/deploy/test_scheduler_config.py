"""The KubeSchedulerConfiguration of each variant: its values, its reasons, and what sets it apart from the reference."""

import re
from copy import deepcopy

import pytest
import yaml

from extender.names import KUBEVIRT_DEVICE_PREFIX, SCHEDULER_NAME
from tests.deploy.manifests import DEPLOY, Object, named, render, scheduler_config

#: Weights of the in-tree score plugins in 1.36, each scoring up to 100: TaintToleration, NodeAffinity,
#: PodTopologySpread, InterPodAffinity, DynamicResources, NodeResourcesFit, BalancedAllocation, ImageLocality.
IN_TREE_CEILING = 100 * sum((3, 2, 2, 2, 2, 1, 1, 1))


def test_one_point_outweighs_all_in_tree_scores() -> None:
    """kube-scheduler multiplies a point by weight x 10; that exceeds the in-tree ceiling."""
    assert scheduler_config()["extenders"][0]["weight"] * 10 > IN_TREE_CEILING


def test_only_vms_are_sent_and_their_devices_still_counted() -> None:
    """The four devices of KubeVirt select the pods, and none is hidden from kube-scheduler's own check."""
    resources = scheduler_config()["extenders"][0]["managedResources"]
    names = {f"{KUBEVIRT_DEVICE_PREFIX}{device}" for device in ("kvm", "mshv", "tun", "vhost-net")}
    assert {r["name"] for r in resources} == names
    assert [r["ignoredByScheduler"] for r in resources] == [False] * 4


def test_extender_entry() -> None:
    """Names only, both verbs, a timeout of one to two seconds, and fail-closed by choice."""
    entry = scheduler_config()["extenders"][0]
    assert entry["nodeCacheCapable"] is True
    assert (entry["filterVerb"], entry["prioritizeVerb"]) == ("filter", "prioritize")
    assert entry["httpTimeout"] in ("1s", "2s")
    assert entry["ignorable"] is False
    assert not entry.keys() & {"preemptVerb", "bindVerb"}, "verbs that the extender does not have"


@pytest.mark.parametrize("variant", ["", "emulation", "kubeadm"])
def test_our_profile_sees_all_nodes_and_evicts_nobody(variant: str) -> None:
    """percentageOfNodesToScore is 100 and DefaultPreemption off in the profile `fastfit`."""
    profiles = scheduler_config(variant)["profiles"]
    (ours,) = [p for p in profiles if p["schedulerName"] == SCHEDULER_NAME]
    assert ours["percentageOfNodesToScore"] == 100
    assert ours["plugins"] == {"multiPoint": {"disabled": [{"name": "DefaultPreemption"}]}}


@pytest.mark.parametrize("variant", ["", "emulation", "leave", "kubeadm"])
def test_client_limits_are_raised(variant: str) -> None:
    """Above the defaults of 50 and 100 requests."""
    connection = scheduler_config(variant)["clientConnection"]
    assert connection["qps"] > 50
    assert connection["burst"] > 100


@pytest.mark.parametrize("variant", ["", "emulation", "leave"])
def test_second_scheduler_has_a_lease_of_its_own(variant: str) -> None:
    """The lease is not the default scheduler's, and the Role allows exactly that one."""
    election = scheduler_config(variant)["leaderElection"]
    role = named(render("base"), "Role", "fastfit-lease")
    allowed = [r for r in role["rules"] if "resourceNames" in r]
    assert election["leaderElect"] is True
    assert (election["resourceNamespace"], [election["resourceName"]]) == (
        role["metadata"]["namespace"],
        allowed[0]["resourceNames"],
    )


def test_emulation_differs_by_the_device_list_alone() -> None:
    """The variant is the reference without managedResources."""
    wanted = deepcopy(scheduler_config())
    del wanted["extenders"][0]["managedResources"]
    assert scheduler_config("emulation") == wanted


def test_leaving_keeps_the_name_and_drops_the_extender() -> None:
    """Same client, lease and name; no extender, and a profile as the default scheduler's."""
    wanted = deepcopy(scheduler_config())
    del wanted["extenders"]
    wanted["profiles"] = [{"schedulerName": SCHEDULER_NAME}]
    assert scheduler_config("leave") == wanted


def test_kubeadm_serves_every_vm_with_the_same_extender() -> None:
    """The default profile and ours, the reference's extender entry, and kubeadm's kubeconfig and lease."""
    reference, kubeadm = scheduler_config(), scheduler_config("kubeadm")
    assert kubeadm["extenders"] == reference["extenders"]
    assert [p["schedulerName"] for p in kubeadm["profiles"]] == ["default-scheduler", SCHEDULER_NAME]
    assert kubeadm["profiles"][1] == reference["profiles"][0]
    assert "plugins" not in kubeadm["profiles"][0], "other pods keep their preemption"
    assert kubeadm["clientConnection"].pop("kubeconfig") == "/etc/kubernetes/scheduler.conf"
    assert kubeadm["clientConnection"] == reference["clientConnection"]
    assert kubeadm["leaderElection"] == {"leaderElect": True}


def test_every_choice_has_its_reason() -> None:
    """In the reference each setting is in a block that a comment opens; names and verbs speak for themselves."""
    plain = {"apiVersion", "kind", "extenders", "profiles", "plugins", "multiPoint", "disabled", "schedulerName"}
    plain |= {"clientConnection", "leaderElection", "filterVerb", "prioritizeVerb", "name", "ignoredByScheduler"}
    plain |= {"burst", "resourceName", "resourceNamespace"}  # one reason with the line before
    before, unexplained = "", []
    for line in (DEPLOY / "scheduler" / "scheduler.yaml").read_text().splitlines():
        key = re.match(r"[\s-]*(\w+):", line)
        if key and key[1] not in plain and not before.lstrip().startswith("#"):
            unexplained.append(key[1])
        before = line
    assert unexplained == []


def test_reasons_count_what_the_file_says() -> None:
    """The comment on preemption says how many lines to delete; after that the profile has no plugins left."""
    lines = (DEPLOY / "scheduler" / "scheduler.yaml").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip() == "plugins:")
    end = next(i for i, line in enumerate(lines) if line.strip() == "- name: DefaultPreemption")
    without: Object = yaml.safe_load("\n".join(lines[:start] + lines[end + 1 :]))
    wanted = deepcopy(scheduler_config())
    del wanted["profiles"][0]["plugins"]
    assert without == wanted
