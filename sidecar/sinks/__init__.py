"""How messages leave the sidecar: one file for each kind of sink, imported only where one is configured."""
