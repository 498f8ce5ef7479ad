"""Small images as PNG, written with the standard library, so that pages need no Pillow."""

import base64
import struct
import zlib

from mlp.typing import Array

LARGEST = 64  # pixels of a side; of a larger image, only every second, third ... row and column is kept
SIGNATURE = b"\x89PNG\r\n\x1a\n"
KINDS = {1: 0, 3: 2}  # channels -> colour type: shades of grey, or red, green and blue


def png(pixels: Array) -> bytes:
    """Return an image as the content of a PNG file.

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8.
    """
    H, W, C = pixels.shape
    rows = b"".join(b"\0" + pixels[y].tobytes() for y in range(H))  # each begins with its filter: none
    header = struct.pack(">IIBBBBB", W, H, 8, KINDS[C], 0, 0, 0)  # 8 bits a channel
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk, as a PNG file is made of: its length, its kind, its content, a checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def thumbnail(pixels: Array) -> str:
    """Return a small copy of an image (H, W, 1 or 3), uint8, as a URL that holds it."""
    every = -(-max(pixels.shape[:2]) // LARGEST)  # rounded up
    return "data:image/png;base64," + base64.b64encode(png(pixels[::every, ::every])).decode("ascii")
