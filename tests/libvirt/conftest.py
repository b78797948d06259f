"""The real libvirt, and what was asked of it in the summary."""

from tests.libvirt.fixtures import libvirt_judge, pytest_terminal_summary

__all__ = ["libvirt_judge", "pytest_terminal_summary"]
