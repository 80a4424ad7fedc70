"""The Sawyer arm's tasks, with their scripted experts."""
