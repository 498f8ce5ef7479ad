"""What a training step launches on an H200 is what launches.txt says."""

from launch_list import GOLDEN, H200, listing


def test_the_launches_of_a_training_step():
    """Where a change was meant: python tests/engine/launch_list.py, and look at what git says is different."""
    assert listing().splitlines() == GOLDEN.read_text().splitlines()


def test_the_grids_fill_the_device():
    """Of the convolutions of VGG38: at 32 x 32 all multiprocessors have work, and no block asks for too much."""
    lines = [line.split("  ") for line in GOLDEN.read_text().splitlines() if "  " in line]
    largest = [line for line in lines if line[0].startswith("convolve_32_32_256")]
    assert largest
    for name, blocks, threads, shared, *_ in lines:
        assert blocks.startswith("blocks ") and int(threads.split()[1]) <= 1024 and int(shared.split()[1]) <= 232448, (
            name
        )
    assert all(int(blocks.removeprefix("blocks ").split("x")[0]) >= 2 * H200 for _, blocks, *_ in largest)
