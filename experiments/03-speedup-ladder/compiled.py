"""The generated product as a function of Python: compiled once a process, with its workspace."""

import ctypes
import sys
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from blocks import Blocks, choose_blocks
from codegen import compile_ir, host_target
from driver_ir import module_ir, room
from entry_ir import SYMBOLS, entry_ir
from tile import Tile, choose_tile

from labkit.caches import caches
from labkit.errors import LabError
from labkit.sampling import aligned

METH_FASTCALL = 0x80
FLOAT = 4  # bytes

# What functions of generated code point to: they live as long as the process.
_kept: list[Any] = []


class _MethodDefinition(ctypes.Structure):
    """Python's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p),
    )  # fmt: skip


@cache
def host_product() -> Any:
    """The product for the machine at hand: tile and blocks from its registers and caches."""
    tile = choose_tile(host_target())
    return build(tile, choose_blocks(tile, caches()))


def build(tile: Tile, blocks: Blocks) -> Any:
    """The function that `entry_ir` describes, with this tile and these blocks. A LabError where there can be none."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        raise LabError("the generated product needs Python's global lock: start Python with -X gil=1")
    for name in SYMBOLS:
        llvm.add_symbol(name, _address(getattr(ctypes.pythonapi, name)))
    workspace = aligned(-(-room(tile, blocks) // FLOAT))
    code = compile_ir(module_ir(tile, blocks, workspace.ctypes.data) + entry_ir(), [])
    definition = _MethodDefinition(b"generated_product", _address(code), METH_FASTCALL, None)
    _kept.extend((workspace, code, definition))
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p] * 3
    return make(ctypes.addressof(definition), None, None)


def _address(function: Any) -> int | None:
    return ctypes.cast(function, ctypes.c_void_p).value
