"""Pure building blocks of a run: no files, no clock, no environment handle, no printing."""
