"""One folder for each room of extender/."""
