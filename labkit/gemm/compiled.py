"""The generated product as a function of Python: compiled once per process, with its workspace."""

import ctypes
import sys
from ctypes import c_char_p, c_int, c_void_p
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from labkit.errors import UserError
from labkit.gemm.blocks import Blocks, choose_blocks
from labkit.gemm.driver import PAGE, workspace
from labkit.gemm.entry import SYMBOLS, module_ir
from labkit.gemm.tile import Tile, choose_tile
from labkit.machine.caches import caches
from labkit.roofline.codegen import compile_ir, host_target

METH_FASTCALL = 0x80

# What functions of generated code point to: they live as long as the process.
_kept: list[Any] = []


class _MethodDefinition(ctypes.Structure):
    """Python's PyMethodDef."""

    _fields_ = (("name", c_char_p), ("function", c_void_p), ("flags", c_int), ("doc", c_char_p))


@cache
def host_product() -> Any:
    """The product for the machine at hand: tile and blocks from its registers and caches."""
    tile = choose_tile(host_target())
    return build(tile, choose_blocks(tile, caches()[0]))


def build(tile: Tile, blocks: Blocks) -> Any:
    """The function that `entry.module_ir` describes. A UserError where this Python or CPU cannot run it."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        raise UserError("the generated product needs Python's global lock: start Python with -X gil=1")
    target, needed = host_target(), tile.registers
    if needed > target.registers:
        raise UserError(
            f"a tile of {tile.mr} x {tile.nr} needs {needed} vector registers; "
            f"{target.instruction_set} has {target.registers}"
        )
    for name in SYMBOLS:
        llvm.add_symbol(name, ctypes.cast(getattr(ctypes.pythonapi, name), c_void_p).value)
    memory = np.zeros(sum(workspace(tile, blocks)) + PAGE, np.uint8)
    code = compile_ir(module_ir(tile, blocks, -(-memory.ctypes.data // PAGE) * PAGE), [])
    definition = _MethodDefinition(b"generated_product", ctypes.cast(code, c_void_p), METH_FASTCALL, None)
    _kept.extend((memory, code, definition))
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, [c_void_p] * 3
    return make(ctypes.addressof(definition), None, None)
