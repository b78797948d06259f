"""The kubelet twin: an exact, pure model of one node's admission (Topology, CPU, Memory and Device Manager).

`admission.Kubelet` holds a node's state and decides; every rule is in the module named for its manager, beside the
kubelet file or KEP that it follows. Failures are values (results.py); machine and configuration are in model.py.
"""
