"""The minitaur."""
