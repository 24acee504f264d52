"""The journal: what is written down of the past, and its replay by other rules."""
