"""The three ways to opt in say what they must, in the words of the kinds they are."""

from extender.names import PREFIX, SCHEDULER_NAME
from tests.deploy.manifests import DEPLOY, Object, documents

OPT_IN = DEPLOY / "optin"
LABEL = f"{PREFIX}/opt-in"


def test_virtual_machine_names_the_scheduler() -> None:
    """A VM opts in at spec.template.spec.schedulerName, from where KubeVirt copies it to the pods."""
    (machine,) = documents(OPT_IN / "virtual-machine.yaml")
    assert (machine["apiVersion"], machine["kind"]) == ("kubevirt.io/v1", "VirtualMachine")
    assert machine["spec"]["template"]["spec"]["schedulerName"] == SCHEDULER_NAME
    assert "instancetype" not in machine["spec"]


def test_instance_type_has_the_shape_of_the_cx1_series() -> None:
    """Dedicated CPUs, isolated emulator, guest NUMA, 2Mi pages, 1:2, no CPU hotplug; a name of its own."""
    (size,) = documents(OPT_IN / "instance-type.yaml")
    spec = size["spec"]
    assert size["kind"] == "VirtualMachineClusterInstancetype"
    assert spec["schedulerName"] == SCHEDULER_NAME
    assert spec["cpu"] == {
        "guest": 8,
        "maxSockets": 8,
        "dedicatedCPUPlacement": True,
        "isolateEmulatorThread": True,
        "numa": {"guestMappingPassthrough": {}},
    }
    assert spec["memory"] == {"guest": "16Gi", "hugepages": {"pageSize": "2Mi"}}
    assert size["metadata"]["name"] != "cx1.2xlarge", "virt-operator would restore its own"


def test_policy_is_bound_by_namespace_label() -> None:
    """The binding selects labelled namespaces; the policy itself has no selector, so others may be bound too."""
    policy, binding = _policy()
    assert binding["spec"] == {
        "policyName": policy["metadata"]["name"],
        "matchResources": {"namespaceSelector": {"matchLabels": {LABEL: "true"}}},
    }
    assert LABEL in (DEPLOY / "README.md").read_text()


def test_failing_policy_lets_the_vm_start() -> None:
    """It acts on creation alone, and where its expression fails the VM starts without it."""
    policy, _ = _policy()
    (rule,) = policy["spec"]["matchConstraints"]["resourceRules"]
    assert (rule["operations"], rule["resources"]) == (["CREATE"], ["virtualmachineinstances"])
    assert policy["spec"]["failurePolicy"] == "Ignore"
    assert f'value: "{SCHEDULER_NAME}"' in policy["spec"]["mutations"][0]["jsonPatch"]["expression"]


def _policy() -> tuple[Object, Object]:
    policy, binding = documents(OPT_IN / "namespace-policy.yaml")
    assert policy["apiVersion"] == binding["apiVersion"] == "admissionregistration.k8s.io/v1"
    return policy, binding
