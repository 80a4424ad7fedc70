"""The run folder: configuration, lock, checkpoints, logs, and the training that writes them."""
