"""Forward against the formula that the name of the class promises: right, or one of the usual wrong forms of it."""
