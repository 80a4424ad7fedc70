"""The kitchen and its combination, with their scripted expert."""
