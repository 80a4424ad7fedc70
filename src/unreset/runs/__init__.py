"""The run folder: configuration, checkpoints, logs, report."""
