"""The extension points of kube-scheduler, one file each."""
