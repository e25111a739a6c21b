"""Plausible bugs, each of which some test must catch. `inject.py` beside this file puts them in, one at a time."""

from mutant import Mutant
from of_labkit import OF_LABKIT
from of_the_lab import OF_THE_LAB
from of_the_roof import OF_THE_ROOF
from of_verify import OF_VERIFY

MUTANTS: tuple[Mutant, ...] = (*OF_THE_LAB, *OF_LABKIT, *OF_THE_ROOF, *OF_VERIFY)
