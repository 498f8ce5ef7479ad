"""Where the files of a data set are: in an unpacked folder, or still in the archive that was downloaded.

An archive is read in memory and nothing is extracted: members are asked for by their exact names, so one whose name
climbs out of the folder ("../x"), or that is a link, is never looked at.
"""

import gzip
import lzma
import tarfile
from pathlib import Path

from mlp.errors import DataError

OPENERS = {".gz": gzip.open, ".xz": lzma.open}
LARGEST_MEMBER = 2**30  # bytes; CIFAR's largest has 155 million. A damaged header can promise anything.


def read_files(data_dir, folder, names, archives, title, advice):
    """Read the files of a data set from the first place that has them all.

    Args:
        data_dir: the folder to look in; it may be `folder` itself.
        folder: the name of the unpacked folder, which archives contain too.
        names: the files that are needed.
        archives: names of archives (.tar.gz, .tar.xz), in the order in which to try them.
        title: what the data set is called, for messages.
        advice: what to do where it is missing, for messages.

    Returns:
        A dictionary name -> (bytes, source), where source says for messages which file that was.

    Raises:
        DataError: no place has the files, with the places and what each lacks; or an archive is damaged.
    """
    data_dir = Path(data_dir)
    looked_at = []
    for place in (data_dir / folder, data_dir):
        missing = [name for name in names if not (place / name).is_file()]
        if not missing:
            return {name: (read_file(place / name), str(place / name)) for name in names}
        looked_at.append(f"{place} (lacks {', '.join(missing)})")
    for archive in archives:
        if (data_dir / archive).is_file():
            return read_archive(data_dir / archive, folder, names)
        looked_at.append(f"{data_dir / archive} (not there)")
    raise DataError(f"{title} was not found. Looked at: {'; '.join(looked_at)}. {advice}")


def read_file(path):
    """Return the bytes of a file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def read_archive(path, folder, names):
    """Return name -> (bytes, source) of the members folder/name of an archive .tar.gz or .tar.xz."""
    wanted = {f"{folder}/{name}": name for name in names}
    found = {}
    try:
        with OPENERS[path.suffix](path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:  # in the order of the archive: jumping about would decompress it anew each time
                name = wanted.get(member.name)
                if name is None or not member.isreg():
                    continue
                if member.size > LARGEST_MEMBER:
                    raise DataError(f"{path}: {member.name} claims {member.size} bytes, more than any file of this set")
                found[name] = (archive.extractfile(member).read(), f"{path}:{member.name}")
            while stream.read(2**20):  # to the very end, where the checksum is: a damaged pixel looks like any other
                pass
    except DataError:
        raise
    except Exception as error:  # each compression has its own errors for a damaged archive
        raise DataError(
            f"{path} is truncated or damaged, or no archive at all ({type(error).__name__}: {error}): download it again"
        ) from error
    missing = [member for member, name in wanted.items() if name not in found]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}: it is truncated or another archive; download it again")
    return found
