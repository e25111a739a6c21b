"""A benchmark's source, loaded by its path."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from labkit.errors import UserError


def load(path: Path) -> ModuleType:
    """The module in a file, under the file's name; not run as a program. Whatever it raises passes through.

    A UserError if there is no such file. What stands beside the file imports only where the caller's path has it.
    """
    specification = importlib.util.spec_from_file_location(path.stem, path)
    if specification is None or specification.loader is None or not path.is_file():
        raise UserError(f"{path.name} is no Python file in {path.resolve().parent.name}: name a bench.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module  # dataclasses and pickle look their module up there
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module
