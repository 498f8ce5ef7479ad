"""The gradient checker that explains what is wrong."""
