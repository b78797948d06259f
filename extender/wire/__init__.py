"""extender/v1 JSON in and out."""
