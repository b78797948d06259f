"""Tests of extender/kubelet."""
