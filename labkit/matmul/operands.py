"""What the methods accept: two float32 matrices that fit, checked before any work."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]
Method = Callable[..., Matrix]


def check_product(A: Any, B: Any, out: Any = None, block_size: Any = 1) -> None:
    """Raise ValueError or TypeError unless A (M, K) @ B (K, N) -> out (M, N) is a float32 product.

    Any order and stride will do, empty and 1 x 1 included.
    """
    for name, X in (("A", A), ("B", B)) if out is None else (("A", A), ("B", B), ("out", out)):
        if not isinstance(X, np.ndarray):
            raise TypeError(f"{name} is a {type(X).__name__}, not an array: use np.asarray({name}, np.float32)")
        if X.dtype != np.float32:
            raise TypeError(f"{name} is {X.dtype}, not float32: use {name}.astype(np.float32)")
        if X.ndim != 2:
            raise ValueError(f"{name} has {X.ndim} dimensions, not 2")
    if A.shape[1] != B.shape[0]:
        raise ValueError(f"A {A.shape} and B {B.shape} do not fit: {A.shape[1]} columns, {B.shape[0]} rows")
    if isinstance(block_size, bool) or not isinstance(block_size, int | np.integer):
        raise TypeError(f"block_size is a {type(block_size).__name__}, not a whole number")
    if block_size < 1:
        raise ValueError(f"block_size is {block_size}, not at least 1")
    if out is not None:
        if out.shape != (A.shape[0], B.shape[1]):
            raise ValueError(f"out is {out.shape}, not {(A.shape[0], B.shape[1])}")
        if np.may_share_memory(out, A) or np.may_share_memory(out, B):
            raise ValueError("out overlaps A or B: the product would read what it has written")


def checked(method: Method) -> Method:
    """The method behind `check_product`; its bare source, which a compiler can take, is `__wrapped__`."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    def check_then_multiply(*args: Any, **kwargs: Any) -> Matrix:
        given = signature.bind(*args, **kwargs).arguments
        check_product(**given)
        return method(**given)

    return check_then_multiply
