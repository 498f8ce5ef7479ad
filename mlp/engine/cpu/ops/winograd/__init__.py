"""3 x 3 and 5 x 5 convolutions with about half the multiplications: the `op`, its `correlation`, its matrices."""
