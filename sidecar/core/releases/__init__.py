"""Releases: how one is judged, and what may be done about a bad one."""
