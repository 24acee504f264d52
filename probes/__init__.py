"""The kinds of probes, one file each."""
