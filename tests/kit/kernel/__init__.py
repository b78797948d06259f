"""Rows and questions for the kernel, and both of its implementations behind one shape."""
