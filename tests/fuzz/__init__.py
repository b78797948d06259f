"""Hostile request bodies by the million: a mutator over kept seeds, and an oracle that shares no code with ours."""
