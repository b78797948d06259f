"""What tests, benches and tools share, and what is no test itself."""
