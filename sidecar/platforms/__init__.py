"""How a release is rolled back, platform by platform."""
