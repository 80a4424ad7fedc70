"""What simulated tasks share: their environments, their simulator, and a scripted hand."""
