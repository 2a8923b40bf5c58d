"""Numbers: recordings stored, summarised and compared."""
