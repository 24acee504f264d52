"""What must survive the sidecar."""
