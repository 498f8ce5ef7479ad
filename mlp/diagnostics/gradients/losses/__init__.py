"""The check of a loss: its gradient by finite differences of its value, and what is likely wrong."""
