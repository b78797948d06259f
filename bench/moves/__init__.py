"""Where a real kube-scheduler sends live migrations, and what becomes of them."""
