"""What a run looks like: its page, plots, films and findings, and the display while it goes on."""
