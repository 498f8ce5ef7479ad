"""Which line of backward is wrong? The source is changed in one place at a time until the gradients are right."""
