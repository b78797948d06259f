"""Domains of the guest model, read by the real libvirt. README.md says what this shows and what it cannot show."""
