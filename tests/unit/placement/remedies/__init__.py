"""Per reason code a cluster that shows it, and the same with the remedy applied."""
