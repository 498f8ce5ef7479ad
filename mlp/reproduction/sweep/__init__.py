"""Sweeps: runs with several values for some settings, and the table of their results."""
