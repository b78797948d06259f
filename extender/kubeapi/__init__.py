"""HTTP to the API server: credentials, transport, errors, back-off."""
