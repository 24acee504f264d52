"""Moments for people."""

from datetime import datetime


def write_moment(at: float) -> str:
    """Write a moment of Unix time in the machine's own time, to the second."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
