"""The guest model against KubeVirt's own code: recorded cases, random ones, and those that once differed."""
