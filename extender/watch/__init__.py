"""The async edge: reads the API server and keeps the state's picture of it current."""
