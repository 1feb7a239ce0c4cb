"""A Stack Exchange dump to FAQ files."""
