"""The kubelet twin: an exact, pure model of one node's admission (Topology, CPU, Memory and Device Manager).

`admission.Kubelet` holds a node's state and decides. Every rule is in the module named for its manager, which names the
kubelet's file and the KEP. Files are those of Kubernetes 1.33 to 1.37; versions.py lists the differences between
minors. Failures are values (results.py). Machine and configuration are in model.py. What the kubelet checks after its
managers, the sums over all pods of the node, is in predicates.py and is asked for apart.
"""
