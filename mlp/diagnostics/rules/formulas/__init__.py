"""The right formulas of learning rules, with the choices that each of them makes, and whole walks with them."""
