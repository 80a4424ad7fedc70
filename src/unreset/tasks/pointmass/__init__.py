"""Points that fly."""
