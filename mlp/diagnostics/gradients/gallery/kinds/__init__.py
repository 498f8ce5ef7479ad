"""Further planted bugs, by the kind of evidence that finds them."""
