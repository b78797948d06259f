"""What the extender writes to the API server, in the background."""
