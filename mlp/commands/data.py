"""Download a data set into the data folder and check that it arrived undamaged.

    python scripts/download_data.py cifar100
    python scripts/download_data.py cifar100 --mirror https://example.org/data     (tried first; any number of them)
    python scripts/download_data.py cifar100 --archive /media/stick/cifar-100-python.tar.gz        (no network needed)

If a download breaks off, repeat the command: it continues where it stopped. A file gets its name only when it is
complete; until then it is called name.part. Archives are not unpacked: they are read as they are.
"""

from mlp.commands.command_line import CommandLine
from mlp.commands.shared.flags import add_data_flag
from mlp.commands.shared.paths import path_argument
from mlp.data import SOURCES, download_dataset

OUTLIVES_READER = True


def main() -> int:
    parser = CommandLine(__doc__)
    add = parser.add_argument
    add("name", metavar="NAME", help=f"the data set: {', '.join(SOURCES)}")
    text = "address of a folder with the files, tried first"
    add("--mirror", action="append", default=[], metavar="URL", help=text)
    text = "a file that you already have"
    add("--archive", action="append", default=[], type=path_argument, metavar="FILE", help=text)
    add_data_flag(parser, "where to put it")
    text = "give up after this long without data (default: 30)"
    add("--timeout", type=float, default=30.0, metavar="SECONDS", help=text)
    arguments = parser.parse_args()
    paths = download_dataset(arguments.name, arguments.data_dir, arguments.mirror, arguments.archive, arguments.timeout)
    for path in paths:
        print(f"{path}: {path.stat().st_size:,} bytes, checksum right")
    return 0


def after_interrupt() -> str:
    return "the same command continues where it stopped"
