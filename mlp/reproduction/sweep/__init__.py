"""Sweeps: any settings of a run with several values each, and the table of what came of them."""
