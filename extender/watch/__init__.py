"""Watches the API server and keeps the cache current."""
