"""Terms that are missing in a gradient: those through a mean and a variance, and the part that was not passed on."""
