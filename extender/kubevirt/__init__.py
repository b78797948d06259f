"""Rules of KubeVirt v1.9.0: what a virt-launcher pod asks for, and which pins and guest NUMA cells the guest gets.

guest/ and migration/ hold the exact twin of virt-launcher's pinning. Files of KubeVirt are named in the module that
states their rule.
"""
