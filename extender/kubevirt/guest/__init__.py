"""The exact twin of the domain that virt-launcher builds (KubeVirt v1.9.0): pins, guest cells, memory binding."""
