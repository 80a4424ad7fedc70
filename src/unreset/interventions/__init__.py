"""What may replace an action, ask for help, or say what rows are worth: one file each."""
