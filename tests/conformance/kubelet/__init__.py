"""The kubelet twin against the real managers: recorded lives, random ones, and those that once differed."""
