"""One admission run: a fleet of hollow kubelets, VMs created at once, and the judge of what ran."""
