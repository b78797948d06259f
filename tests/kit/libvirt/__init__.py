"""The real libvirt as a judge of domains; tests/conformance/libvirt/README.md says what it shows."""
