"""How fast one node is judged."""
