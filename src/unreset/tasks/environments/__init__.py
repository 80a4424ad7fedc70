"""The adapter that makes a task of anyone's Gymnasium environment."""
