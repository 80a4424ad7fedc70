"""The policy that acts with NumPy alone, for robots: nothing here needs JAX."""
