"""CT scans to fetch, and the folder that keeps them."""
