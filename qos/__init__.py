"""Kubernetes resource QoS: one plan, simulated or enforced."""
