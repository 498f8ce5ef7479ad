"""The CPU engine's operations, one family a file."""
