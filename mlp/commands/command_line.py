"""The command lines of the scripts: help as it is written at their top, and a word to those who mistype a flag."""

import re
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from difflib import get_close_matches
from io import TextIOWrapper
from typing import Any


class CommandLine(ArgumentParser):
    """An ArgumentParser that says which flag an unknown one resembles.

    Args:
        description: printed by --help with its lines as they are. options: those of ArgumentParser.
    """

    def __init__(self, description: str | None = None, **options: Any) -> None:
        super().__init__(description=description, formatter_class=RawDescriptionHelpFormatter, **options)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse the arguments; of those left over, which parse_args reports, the flags have a suggestion.

        From here on each line is written when it ends, into a file too: a log shows how far a command is, and what
        went wrong stands after what was done before.
        """
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)
        namespace, unknown = super().parse_known_args(args, namespace)
        flags = re.findall(r"--[\w-]+", self.format_usage()) if unknown else []
        return namespace, [with_suggestion(word, flags) for word in unknown]


def with_suggestion(word: str, flags: Sequence[str]) -> str:
    """Return `word`, and behind it the flag it resembles if there is one."""
    similar = get_close_matches(word.partition("=")[0], flags, n=1)
    return f"{word} (did you mean {similar[0]}?)" if similar else word
