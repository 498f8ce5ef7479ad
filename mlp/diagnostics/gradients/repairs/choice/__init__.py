"""Which of the changes that make all right is meant."""
