"""Lets the tests of this folder import `torch_cases` from tests/ and `torch_vgg` from scripts/."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent / "scripts"), str(TESTS / "oracle")]
