"""The API server over HTTP: credentials, transport, errors, backoff."""
