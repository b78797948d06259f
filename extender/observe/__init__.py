"""What people and Prometheus see of the running extender: metrics, decisions, logs."""
