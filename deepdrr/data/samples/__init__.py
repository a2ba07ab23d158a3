"""CT scans that can be fetched, and where they are kept."""
