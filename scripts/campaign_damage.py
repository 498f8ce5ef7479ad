"""Ways to damage a file: as disks, editors and other programs do by accident, and as an attacker does on purpose.

Some work on any file: cut it off, change bytes, insert something, put another file in its place, make lengths lie.
Others know JSON, CSV, .npz, Python code and command lines: they change one value and keep the rest correct.
"""

import csv
import dataclasses
import gzip
import io
import json
import os
import random
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mlp.experiments import RunConfig

VALUES = (None, True, -1, 0, 10**400, 1e308, -1e-320, "", "x", [], {}, [[]], float("nan"), "\udcff", "$x_$", 2**63)
VALUES += ("../" * 40 + "etc/passwd", "\x1b[2J", "=1+1", "a\nb", "x" * 100_000, [1] * 10_000, {"a": {"b": {"c": {}}}})
BYTES = b"\x00\x01\x7f\x80\xff.(}]tbR0\x93\x8c\x94\x95qGIJKMUX"  # the rest: what pickles and headers are made of
WHOLE = (b"", b"[]", b"null", b"[" * 50_000, b"\xff" * 100, b"PK\x03\x04", b"epoch\n", b"\xef\xbb\xbf", b"9" * 5_000)
NPY = b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,)}"
WHOLE += (NPY + b" " * 38 + b"\n", NPY, b"GIF89a\xff\xff\xff\xff\x00", gzip.compress(bytes(2**24)))
WHOLE += (b"\x80\x02}q\x00(U\x04dataq\x01cos\nsystem\nq\x02U\x04trueq\x03\x85Ru.", b"\xff\xfe{\x00}\x00")
WHOLE += (b"\x00\x00\x08\x03\xff\xff\xff\xff\x00\x00\x00\x1c\x00\x00\x00\x1c", b"\x00\x00\x08\x40" + b"\0" * 256)
WHOLE += (b"\xff\xff\xff\xff\xff\xff\xff\x7f{}", b'{"a":1}\n' * 3)
DTYPES = ("<f4", "<f8", "<f2", "<i8", "u1", "?", "<U3", "S4", "<c8", ">f4", "O", [("a", "<f4")], "<M8[s]")
SHAPES = ((), (0,), (1,), (3, 0), (7,), (2, 3), (10**6,), (1,) * 32)
LINES = """return None|raise SystemExit(3)|x = 1 / 0|import nowhere|def model(): pass
return [model] * 3|return x[0]|self.weight = 3|return Flatten|return model|class Layer: pass|\0|    pass
raise Exception('a' * 10**5)|import sys; sys.exit()|self.a = [Affine(2, 2)]|return x.astype(float)|return super()"""
CELLS = ("", "nan", "inf", "-1", "7", "1e999", "x", "=1", "'", '"', "\u0663", "9" * 5000, "1_0", " 1", "\x00", "0x1")
JUNK = ("", "0", "-1", "nan", "1e999", "9" * 5000, "x", "../x", "~nobody/x", "\udcff", "a\nb", "(a+)+$", "None", "true")
JUNK += ("cuda:99", "cpu", "float16", "1,2", "--", "-", "=", "net.py:model", "npz:", "folder:", "10", "0.5", "\x1b[2J")
OTHER_COMMANDS = ("report", "smoothness", "gradient_correlation", "check")
PLACES = ("--out", "--data-dir", "--threads", "--stop-after", "--keep-weights", "--smoothness", "--resume", "--verbose")


def damage(path: Path, rng: random.Random) -> None:
    """Damage a file in a randomly drawn way, or put something in its place that is not a file."""
    content = path.read_bytes()
    if path.suffix not in (".flags", ".py") and rng.random() < 0.03:
        path.unlink()
        rng.choice((os.mkfifo, os.mkdir, lost_link, endless_link))(path)
        return
    own = OWN.get(path.suffix)
    if own is not None and (path.suffix == ".flags" or rng.random() < 0.6):
        path.write_bytes(own(content, rng))
    else:
        path.write_bytes(rng.choice(GENERAL)(content, rng))


def lost_link(path: Path) -> None:
    path.symlink_to("nowhere")


def endless_link(path: Path) -> None:
    path.symlink_to(path.name)


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def flip(content: bytes, rng: random.Random) -> bytes:
    """Change some bytes, often at the start, where headers are, or at the end, where zip has its table."""
    array = bytearray(content)
    reach = rng.choice((len(array), min(len(array), 200)))
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(reach) if array else 0
        place = len(array) - 1 - place if rng.random() < 0.3 else place
        if array:
            array[place] = rng.choice((rng.randrange(256), rng.choice(BYTES)))
    return bytes(array)


def put_in(content: bytes, rng: random.Random) -> bytes:
    """Insert something, or write it over as many bytes."""
    place = rng.randrange(len(content) + 1)
    what = rng.choice((bytes(rng.randrange(50)), rng.randbytes(20), *WHOLE[4:8]))
    return content[:place] + what + content[place + rng.choice((0, len(what))) :]


def repeat(content: bytes, rng: random.Random) -> bytes:
    """Repeat a piece, at the end or somewhere else."""
    start, place = rng.randrange(len(content) + 1), rng.choice((len(content), rng.randrange(len(content) + 1)))
    return content[:place] + content[start : start + rng.randint(1, 5000)] + content[place:]


def another_file(content: bytes, rng: random.Random) -> bytes:
    return rng.choice(WHOLE)


def lying_lengths(content: bytes, rng: random.Random) -> bytes:
    """Change a number, written in digits or in four bytes; mostly to a much larger one."""
    numbers = [match.span() for match in re.finditer(rb"\d+", content[:2000])]
    if numbers and rng.random() < 0.5:
        start, end = rng.choice(numbers)
        return content[:start] + rng.choice((b"9" * (end - start), b"9" * 12, b"-1", b"0", b"1e9")) + content[end:]
    place = rng.randrange(max(1, min(len(content), 400)))
    large = rng.choice((b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x80"))
    return content[:place] + large + content[place + 4 :]


GENERAL = (cut, flip, flip, put_in, repeat, another_file, lying_lengths)


def replaced(value: Any, rng: random.Random) -> Any:
    """Return a JSON value with one value in it replaced, left out, or under another name."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        name = rng.choice(list(value))
        chance = rng.random()
        if chance < 0.1:
            return {key: inner for key, inner in value.items() if key != name}
        if chance < 0.2:
            return {**value, rng.choice(("", "x", "__class__", name + " ")): value[name]}
        return {**value, name: replaced(value[name], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = rng.randrange(len(value))
        return [*value[:place], replaced(value[place], rng), *value[place + 1 :]]
    return rng.choice(VALUES)


def json_value(content: bytes, rng: random.Random) -> bytes:
    text = json.dumps(replaced(json.loads(content), rng))
    if rng.random() < 0.05:  # a name twice
        text = re.sub(r'("\w+": )', r"\g<1>0, \g<1>", text, count=1)
    return text.encode("utf-8", "surrogatepass")


def table_cell(content: bytes, rng: random.Random) -> bytes:
    """Change a cell of a table, a name in its header, or the number of cells of a row."""
    separator = "\t" if b"\t" in content else ","
    rows = list(csv.reader(io.StringIO(content.decode()), delimiter=separator))
    row = rng.choice(rows)
    chance = rng.random()
    if chance < 0.2:
        row.append(rng.choice(CELLS))
    elif chance < 0.3:
        row.pop()
    elif chance < 0.4:
        rows.insert(rng.randrange(len(rows)), list(row))
    elif row:
        row[rng.randrange(len(row))] = rng.choice((*CELLS, rng.choice(rows[0] or ["x"])))
    return "\n".join(separator.join(row) for row in rows).encode() + b"\n"


def npz_member(content: bytes, rng: random.Random) -> bytes:
    """Give an array of an .npz file another type, shape, name or packing; the archive itself is right."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(stream, "w") as changed:
        entries = archive.infolist()
        chosen = rng.choice(entries)
        what = rng.choice(("array", "array", "array", "values", "left out", "twice", "packed", "renamed", "bomb"))
        for entry in entries:
            data, name, packing = archive.read(entry), entry.filename, entry.compress_type
            if entry is chosen:
                data, name, packing = changed_member(data, name, packing, what, rng)
            if not (entry is chosen and what == "left out"):
                changed.writestr(zipfile.ZipInfo(name), data, packing)
    return stream.getvalue()


def changed_member(data: bytes, name: str, packing: int, what: str, rng: random.Random) -> tuple[bytes, str, int]:
    """Return a member of an archive after the change: content, name, compression."""
    if what == "array":
        dtype, shape = np.dtype(rng.choice(DTYPES)), rng.choice(SHAPES)
        return npy(np.zeros(shape, dtype)), name, packing
    if what == "values":
        array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
        if array.dtype.kind == "f" and array.size:
            array = array.copy()
            array.flat[rng.randrange(array.size)] = rng.choice((np.nan, np.inf, -1.0, 1e30))
        return npy(array), name, packing
    if what == "bomb":
        return npy(np.zeros(2**24, "u1")), name, zipfile.ZIP_DEFLATED
    names = {"twice": "epoch.npy", "renamed": rng.choice(("x.npy", "../x.npy", ".npy", "a\n.npy", "x" * 5000 + ".npy"))}
    return data, names.get(what, name), zipfile.ZIP_DEFLATED if what == "packed" else packing


def npy(array: np.ndarray) -> bytes:
    """Return an array as .npy; one of objects holds a pickle."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=True)
    return stream.getvalue()


def code_line(content: bytes, rng: random.Random) -> bytes:
    """Change, leave out, or put in a line of code."""
    lines = content.decode().split("\n")
    place = rng.randrange(len(lines))
    what = rng.choice(("out", "in", "in", "word"))
    if what == "out":
        del lines[place]
    elif what == "in":
        indent = len(lines[place]) - len(lines[place].lstrip())
        lines.insert(place, " " * indent + rng.choice(re.split(r"[|\n]", LINES)))
    else:
        words = re.findall(r"\w+", content.decode())
        parts = re.split(r"(\W+)", lines[place])
        lines[place] = "".join(
            rng.choice(words) if part.isidentifier() and rng.random() < 0.3 else part for part in parts
        )
    return "\n".join(lines).encode()


def command_words(content: bytes, rng: random.Random) -> bytes:
    """Return a command with words: settings with values of all kinds, and data or runs that do not exist."""
    settings = [f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(RunConfig)]
    words: list[str] = []
    for _ in range(rng.randint(1, 5)):
        flag, value = rng.choice((*settings, *PLACES)), rng.choice(JUNK)
        words += [f"{flag}={value}"] if rng.random() < 0.4 else [flag, value]
    command = rng.choice(("train", "train", "train", "evaluate", "landscape", "predict", "compare", *OTHER_COMMANDS))
    nothing = ["--dataset", "folder:/nowhere/at all"] if command == "train" else ["/nowhere/at all", "/nowhere/else"]
    return json.dumps([command, *words, *nothing]).encode()


OWN = {".json": json_value, ".csv": table_cell, ".tsv": table_cell, ".npz": npz_member, ".py": code_line}
OWN |= {".flags": command_words}
