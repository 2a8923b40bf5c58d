"""One module a group of kinds; registry.py says which function answers which kind."""
