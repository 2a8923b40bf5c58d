"""The rules: pods and a node become a plan."""
