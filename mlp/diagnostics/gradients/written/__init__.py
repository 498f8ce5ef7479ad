"""What the documentation of a layer says that it computes."""
