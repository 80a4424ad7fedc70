"""The half-cheetahs of two papers."""
