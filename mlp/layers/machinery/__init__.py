"""What every layer is made of: the base class, parameters, names, checks and the summary."""
