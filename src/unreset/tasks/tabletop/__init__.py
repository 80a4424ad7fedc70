"""The tabletop and its variants, with their scripted expert."""
