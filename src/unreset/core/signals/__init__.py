"""Rewards and detectors that are learned during practice."""
