"""What all layers share: the base class, names and state, checks, initial weights, the summary."""
