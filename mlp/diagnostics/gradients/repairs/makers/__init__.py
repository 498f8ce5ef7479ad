"""Alternatives that need to know what NumPy does with memory, repetitions and complex numbers."""
