"""The real kernel: plans written to cgroups, and what it says."""
