"""A disk that counts every operation below one folder, and at a chosen one kills the process or refuses.

A buffered write is one when the buffer is flushed. A killed process does nothing more: the folder is put back as it
was at that moment, whatever cleaning up ran afterwards.
"""

import builtins
import contextlib
import errno
import io
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# What a full or a read-only disk refuses; it is still read from, and a full one still gives up files.
CHANGES = {"create", "write", "truncate", "fsync", "mkdir", "replace", "chmod"}


class KilledError(BaseException):
    """The process is gone. No `except Exception` or `except OSError` may notice."""


@dataclass(frozen=True)
class Fault:
    """What befalls operation number `at`."""

    at: int
    kill: bool = False
    refuse: int = 0  # the errno
    half: bool = False  # half of a write is done first
    lasting: bool = False  # every later change is refused too


@dataclass
class Disk:
    """The folder under watch; `operations` says what was done in it, by name."""

    root: Path
    fault: Fault | None = None
    operations: list[tuple[str, str]] = field(default_factory=list)
    befell: str = "nothing"
    # Asked for: what stood in the folder before each operation and in the middle of each write.
    states: list[tuple[str, dict[str, bytes | None]]] | None = None

    def __post_init__(self) -> None:
        self._looking = False
        self._handles: dict[int, str] = {}
        self._open: list[io.FileIO] = []
        self._dead: dict[str, bytes | None] | None = None

    @contextlib.contextmanager
    def mounted(self) -> Iterator["Disk"]:
        """Watch and disturb, and leave the disk as the death of the process left it."""
        real = {name: getattr(os, name) for name in PATCHED}
        real_open = builtins.open
        try:
            for name in PATCHED:
                setattr(os, name, PATCHED[name](self, real[name]))
            builtins.open = io.open = self._opening(real_open)
            yield self
        finally:
            for name, function in real.items():
                setattr(os, name, function)
            builtins.open = io.open = real_open
            for file in self._open:
                file.close()
            if self._dead is not None:
                put_back(self.root, self._dead)

    # --- what befalls an operation ---

    def operation(self, kind: str, name: str) -> bool:
        """Count one; raises if it must not take place; True if it is a write of which half takes place."""
        if self._looking:
            return False
        if self._dead is not None:
            raise KilledError
        number, fault = len(self.operations), self.fault
        self.operations.append((kind, name))
        self.note(f"before operation {number} ({kind} {name})")
        if fault is None or number < fault.at:
            return False
        if number == fault.at:
            self.befell = f"operation {number} ({kind} {name})"
            if fault.half and kind == "write":
                return True
            self.strike()
        if fault.lasting and kind in CHANGES:
            raise OSError(fault.refuse, os.strerror(fault.refuse))
        return False

    def note(self, moment: str) -> None:
        """Keep what stands in the folder, if asked to."""
        if self.states is not None:
            self.states.append((moment, self._look()))

    def _look(self) -> dict[str, bytes | None]:
        """What stands in the folder; looking at it is no operation."""
        self._looking = True
        try:
            return contents(self.root)
        finally:
            self._looking = False

    def strike(self) -> None:
        """Carry the fault out."""
        assert self.fault
        if self.fault.kill:
            self._dead = self._look()
            raise KilledError
        raise OSError(self.fault.refuse, os.strerror(self.fault.refuse))

    # --- which operations are watched ---

    def inside(self, path: Any, dir_fd: int | None = None) -> bool:
        """Whether it lies in the folder: by its path, or by a handle that was opened there."""
        if dir_fd is not None:
            return dir_fd in self._handles
        if isinstance(path, int):
            return path in self._handles
        return os.fspath(path).startswith(str(self.root))

    def named(self, path: Any, dir_fd: int | None = None) -> str:
        """Its name below the folder, without what is drawn by lot."""
        if isinstance(path, int):
            return self._handles[path]
        name = os.fspath(path) if dir_fd is None else f"{self._handles[dir_fd]}/{path}"
        return without_lots(name.removeprefix(f"{self.root}/"))

    def opened(self, handle: int, name: str) -> int:
        self._handles[handle] = name
        return handle

    def _opening(self, real: Any) -> Any:
        def opening(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any) -> Any:
            writes = any(letter in mode for letter in "wa+x")
            if not self.inside(file):
                return real(file, mode, buffering, *args, **kwargs)
            if not isinstance(file, int):
                self.operation("create" if writes else "read", self.named(file))
            if not writes:
                return real(file, mode, buffering, *args, **kwargs)
            assert "b" in mode, "text is not written below the watched folder"
            watched = _Watched(file, mode, opener=kwargs.get("opener"))
            watched.disk, watched.known_as = self, self.named(watched.name)
            self.opened(watched.fileno(), watched.known_as)
            self._open.append(watched)
            if buffering == 0:
                return watched
            return (io.BufferedRandom if "+" in mode else io.BufferedWriter)(watched)

        return opening


class _Watched(io.FileIO):
    """A file whose writes are counted as they reach the system."""

    disk: Disk
    known_as: str

    def write(self, data: Any) -> int:
        if self.disk.operation("write", self.known_as):
            super().write(bytes(data)[: len(data) // 2])
            self.disk.strike()
        if self.disk.states is None:
            return super().write(data)
        half = super().write(bytes(data)[: len(data) // 2])
        self.disk.note(f"half way through operation {len(self.disk.operations) - 1} (write {self.known_as})")
        return half + super().write(bytes(data)[half:])

    def truncate(self, size: int | None = None) -> int:
        self.disk.operation("truncate", self.known_as)
        return super().truncate(size)


def _one_path(kind: str) -> Any:
    """A call whose first argument is a path or a handle."""

    def patched(disk: Disk, real: Any) -> Any:
        def call(path: Any, *args: Any, dir_fd: int | None = None, **kwargs: Any) -> Any:
            if disk.inside(path, dir_fd):
                disk.operation(kind, disk.named(path, dir_fd))
            if dir_fd is not None:
                kwargs["dir_fd"] = dir_fd
            return real(path, *args, **kwargs)

        return call

    return patched


def _os_open(disk: Disk, real: Any) -> Any:
    def call(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if not disk.inside(path, dir_fd):
            return real(path, flags, mode, dir_fd=dir_fd)
        name = disk.named(path, dir_fd)
        disk.operation("create" if flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR) else "read", name)
        return disk.opened(real(path, flags, mode, dir_fd=dir_fd), name)

    return call


_KINDS = {"mkdir": "mkdir", "replace": "replace", "rename": "replace", "fsync": "fsync", "chmod": "chmod"}
_KINDS |= {"unlink": "unlink", "remove": "unlink", "rmdir": "unlink", "scandir": "read"}
PATCHED = {"open": _os_open} | {name: _one_path(kind) for name, kind in _KINDS.items()}


def without_lots(name: str) -> str:
    """A file's name without what is drawn by lot."""
    return re.sub(r"(?<=\.spare\.)\w{8}$", "*", name)


def contents(root: Path) -> dict[str, bytes | None]:
    """What stands in a folder: bytes of files, None for folders."""
    found = sorted(root.rglob("*")) if root.exists() else []
    return {str(p.relative_to(root)): None if p.is_dir() else _bytes(p) for p in found}


def _bytes(path: Path) -> bytes:
    handle = _REAL_OPEN(path, os.O_RDONLY)
    try:
        return os.read(handle, 1 << 26)
    finally:
        os.close(handle)


def put_back(root: Path, was: dict[str, bytes | None]) -> None:
    """The folder as it was."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for name, data in was.items():
        if data is None:
            (root / name).mkdir()
        else:
            (root / name).write_bytes(data)


_REAL_OPEN = os.open
ERRNOS = {"no space": errno.ENOSPC, "no permission": errno.EACCES, "read-only": errno.EROFS, "missing": errno.ENOENT}
