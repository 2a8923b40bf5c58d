"""The simulated kernel: it is given a plan and demand, never a pod."""
