"""Behaviour over time: what the kubelet does after looking."""
