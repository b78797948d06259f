"""Tests of extender/kubevirt."""
