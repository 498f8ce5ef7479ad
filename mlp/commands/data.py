"""Download a data set into the data folder and check that it arrived undamaged.

    python scripts/download_data.py cifar100
    python scripts/download_data.py cifar100 --mirror https://example.org/data     (tried first; any number of them)
    python scripts/download_data.py cifar100 --archive /media/stick/cifar-100-python.tar.gz        (no network needed)

If a download breaks off, repeat the command: it continues where it stopped. A file gets its name only when it is
complete; until then it is called name.part. Archives are not unpacked: they are read as they are. Nothing is downloaded
if the data set is there in another form, such as an unpacked folder.
"""

from pathlib import Path

from mlp.commands.command_line import CommandLine
from mlp.commands.shared.flags import add_data_flag, number_argument
from mlp.commands.shared.paths import path_argument
from mlp.data import DATASETS, SCENES, SOURCES, download_dataset
from mlp.data.formats.sources import find_data_dir
from mlp.errors import DataError

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
    add("--timeout", type=number_argument, default=30.0, metavar="SECONDS", help=text)
    arguments = parser.parse_args()
    if not arguments.archive and (found := in_another_form(arguments.name, find_data_dir(arguments.data_dir))):
        print(found)
        return 0
    paths = download_dataset(arguments.name, arguments.data_dir, arguments.mirror, arguments.archive, arguments.timeout)
    for path in paths:
        print(f"{path}: {path.stat().st_size:,} bytes, checksum right")
    return 0


def in_another_form(name: str, data_dir: Path) -> str:
    """Say that a data set is there in files that can be read, but are not those that would be downloaded; else ""."""
    if name not in (*DATASETS, *SCENES) or any((data_dir / file.name).exists() for file in SOURCES[name]):
        return ""
    try:
        if name in SCENES:
            what = f"a scene of {' x '.join(map(str, SCENES[name](data_dir).classes.shape))} pixels"
        else:
            train, test = DATASETS[name](data_dir)
            what = f"{len(train):,} training and {len(test):,} test images"
    except DataError:  # missing, or damaged
        return ""
    return (
        f"{name} is there already, nothing was downloaded: {what} were read from {data_dir}. Their number, sizes and "
        "labels were checked. These files have no published checksum"
    )


def after_interrupt() -> str:
    return "the same command continues where it stopped"
