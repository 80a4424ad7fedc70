"""Detectors and choosers whose state is part of the run."""
