"""Several processes on one scoring port; everything that a single process does not need."""
