"""Background writes to the API server: guest cells in annotations of VMIs, last layouts in ConfigMaps."""
