"""The pure core: it decides, and does nothing else. No I/O, no clock, no randomness; time comes in as an argument."""
