"""A bundled cluster for trying the program: `cluster.json`, the call `filter.json`, and what generates both."""
