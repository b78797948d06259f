"""Pods as the cache keeps them, and their scheduling attempts."""
