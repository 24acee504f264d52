"""Notices: who is told of what, and when."""
