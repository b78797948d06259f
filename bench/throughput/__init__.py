"""How many VM pods the real kube-scheduler binds per second."""
