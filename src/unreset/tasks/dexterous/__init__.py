"""The dexterous hand."""
