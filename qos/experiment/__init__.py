"""The only place where boxes meet."""
