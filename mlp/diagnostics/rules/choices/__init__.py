"""Choices that the families of rules can make, and what each of them means as a mistake."""
