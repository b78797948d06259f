"""The policy of the product: decide where a pod may go, and say why."""
