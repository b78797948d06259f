"""Live migration: the target pod, its domain, and how a migration failed."""
