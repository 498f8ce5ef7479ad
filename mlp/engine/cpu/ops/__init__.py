"""The CPU engine's operations, one family in each file."""
