"""Instance types of the tests, named as in kubevirt/common-instancetypes. CPUs of the pod: vCPUs and the emulator's."""

from extender.sample.vms import InstanceType

__all__ = ["CX1_2XLARGE", "CX1_4XLARGE", "CX1_8XLARGE", "D1_LARGE", "U1_MICRO"]

#: 9 CPUs, 16Gi in 1Gi pages, guest NUMA passthrough.
CX1_2XLARGE = InstanceType("cx1.2xlarge1gi", 8, 16, "1Gi", passthrough=True, hotplug=False)
#: 17 CPUs, 32Gi.
CX1_4XLARGE = InstanceType("cx1.4xlarge1gi", 16, 32, "1Gi", passthrough=True, hotplug=False)
#: 33 CPUs, 64Gi.
CX1_8XLARGE = InstanceType("cx1.8xlarge1gi", 32, 64, "1Gi", passthrough=True, hotplug=False)
#: 3 CPUs, 8Gi, no pages.
D1_LARGE = InstanceType("d1.large", 2, 8)
#: Shared CPUs.
U1_MICRO = InstanceType("u1.micro", 1, 1, dedicated=False)
