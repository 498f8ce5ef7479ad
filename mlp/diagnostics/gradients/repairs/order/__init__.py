"""The order of the lines of a function: where a line may belong, and which lines it has to do with."""
