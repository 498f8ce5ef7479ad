"""Batch, layer, instance and group normalization, root mean squares and lengths: recognized without their names."""
