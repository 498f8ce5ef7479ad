"""Getting data sets from the network, or from a file you have."""
