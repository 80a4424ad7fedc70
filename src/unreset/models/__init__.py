"""Models of the world, rollouts in them, and planning."""
