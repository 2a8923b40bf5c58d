"""Answers: how many fit, how many nodes, which requests."""
