"""Validation of a task before anything is trained in it."""
