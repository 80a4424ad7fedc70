"""The sticky maze."""
