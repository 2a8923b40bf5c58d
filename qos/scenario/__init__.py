"""Input: manifests, scenarios and traces."""
