"""Who turns the crank: fused (JAX tasks) and live (any Gymnasium environment)."""
