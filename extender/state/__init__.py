"""The pure picture of the cluster: events in, rows and charges out."""
