"""The kubelet's and the API server's decisions about pods, as pure functions."""
