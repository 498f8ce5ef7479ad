"""Diagnoses that call the layer again: on what it keeps, on each layer inside, and at a second point."""
