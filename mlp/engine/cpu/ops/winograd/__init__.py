"""3 x 3 convolutions with less than half the multiplications: the `op`, a block's way through it, and its matrices."""
