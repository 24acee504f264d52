"""Reproducible measurements of the sidecar: ``python -m bench``. What is measured and how: docs/performance.md."""
