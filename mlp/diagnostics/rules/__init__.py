"""The checker for learning rules."""
