"""The error that users see, one line that says what to do, and the exit statuses of every command."""

from __future__ import annotations

import errno

FINDING, USER_ERROR, INTERRUPTED = 1, 2, 130  # 130: 128 + SIGINT, as shells have it

_FOLDER = "choose a folder that can be written with --output"
_SPACE = "free some space, or choose another folder with --output"
_FILE = "a file is where a folder is needed: choose another with --output"
_HINTS = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EROFS: _FOLDER,
    errno.EACCES: _FOLDER,
    errno.EPERM: _FOLDER,
    errno.ENOTDIR: _FILE,
    errno.EEXIST: _FILE,
    errno.ENOENT: "make the folder that is missing",
    errno.EISDIR: "a folder is where a file is needed: move it away",
}


class UserError(Exception):
    """Something the user can fix. Its message is the whole explanation: no traceback, exit status 2."""


def os_error(action: str, error: OSError) -> UserError:
    """An operating system's refusal in one line: what could not be done, why, and what to do."""
    hint = _HINTS.get(error.errno or 0)
    return UserError(f"cannot {action}: {error.strerror or error}" + (f"; {hint}" if hint else ""))


def printable(text: str) -> str:
    """A text without what a terminal obeys: no name or word of a submission moves a cursor or clears a screen."""
    return "".join(c if c.isprintable() else " " for c in text)
