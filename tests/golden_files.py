"""Files of arrays by name: many small arrays as few large ones, because every array of an .npz costs 300 bytes extra.

numbers = {case: {"given": {name: array}, "expected": {name: array}}}. Two arrays are stored of each case: all that is
given one after the other in float32 (which loses nothing, see `torch_cases.draw`), and all that is expected in float64.
The names and shapes of all cases are one text in JSON.
"""

import json

import numpy as np

DTYPES = {"given": np.float32, "expected": np.float64}


def write_numbers(path, numbers):
    """Write the numbers of several cases into one file."""
    shapes = {
        case: {half: {name: array.shape for name, array in arrays.items()} for half, arrays in halves.items()}
        for case, halves in numbers.items()
    }
    flat = {
        f"{case}/{half}": np.concatenate([np.zeros(0), *(array.ravel() for array in arrays.values())]).astype(
            DTYPES[half]
        )
        for case, halves in numbers.items()
        for half, arrays in halves.items()
    }
    np.savez_compressed(path, shapes=np.frombuffer(json.dumps(shapes).encode(), np.uint8), **flat)


def read_numbers(path):
    """Return what `write_numbers` wrote; targets as integers, everything else in float64."""
    with np.load(path) as file:
        shapes = json.loads(file["shapes"].tobytes())
        return {
            case: {half: split(file[f"{case}/{half}"], halves[half]) for half in halves}
            for case, halves in shapes.items()
        }


def split(flat, shapes):
    """Cut a flat array into arrays of these shapes, by name."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    arrays = np.split(flat.astype(np.float64), ends[:-1]) if shapes else []
    return {
        name: piece.reshape(shape).astype(np.int64 if name == "targets" else np.float64)
        for (name, shape), piece in zip(shapes.items(), arrays, strict=True)
    }
