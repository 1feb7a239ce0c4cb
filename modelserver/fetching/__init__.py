"""How a model gets onto a machine: downloaded, verified, unpacked, put into place."""
