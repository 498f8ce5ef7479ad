"""What this machine has: processor, memory, GPUs; and what is wrong with them."""
