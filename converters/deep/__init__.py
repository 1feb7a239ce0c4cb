"""Deep networks of every framework: export, precision, parity, publication."""
