"""One run of live migrations under a real kube-scheduler, and the judge of what became of them."""
