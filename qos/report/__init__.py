"""Pictures: one self-contained page from any recording."""
