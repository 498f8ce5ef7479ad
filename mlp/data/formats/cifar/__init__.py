"""CIFAR-10 and CIFAR-100, in their Python and binary versions."""
