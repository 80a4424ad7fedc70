"""Sources of rows for batches, one file each."""
