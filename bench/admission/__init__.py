"""Whether VMs start where they are placed."""
