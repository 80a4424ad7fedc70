"""Demonstrations: scripted experts and the store."""
