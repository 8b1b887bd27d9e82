"""A whole serving process: its configuration, and what is built from it and changed while it runs."""
