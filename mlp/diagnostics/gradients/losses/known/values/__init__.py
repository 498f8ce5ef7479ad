"""The values of well-known losses, with their parts named."""
