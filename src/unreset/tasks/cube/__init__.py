"""The cube that is grasped, with its scripted expert."""
