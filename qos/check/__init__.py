"""CI: expectations, rules and their output formats."""
