"""The health port: what the sidecar says, and how."""
