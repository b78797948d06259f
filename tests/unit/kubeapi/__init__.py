"""Tests of extender/kubeapi."""
