"""Verdicts by counts against exact outcomes on random VMs and hosts."""
