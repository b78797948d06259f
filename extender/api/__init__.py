"""Narrow records of the Kubernetes API."""
