"""The line of a learning rule that is wrong: what is tried in its place."""
