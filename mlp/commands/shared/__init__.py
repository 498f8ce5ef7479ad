"""What several commands share: flags and endings of many runs, and what a terminal or a pipe does to output."""
