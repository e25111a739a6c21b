"""The one error that users see: a clear line that says what to do, exit status 2, no traceback."""

import errno


class LabError(Exception):
    """Something the user can mend; its message is the whole explanation."""


def os_error(action: str, error: OSError) -> LabError:
    """An operating system's refusal as one line: what could not be done, why, and what to do."""
    hints = {
        "ENOSPC": "free some space, or choose another folder with --output",
        "EDQUOT": "free some space, or choose another folder with --output",
        "EROFS": "choose a folder that can be written with --output",
        "EACCES": "choose a folder that can be written with --output",
        "EPERM": "choose a folder that can be written with --output",
        "ENOTDIR": "a file stands where a folder is needed: choose another with --output",
        "EEXIST": "a file stands where a folder is needed: choose another with --output",
        "EISDIR": "a folder stands where a file is needed: move it away",
    }
    name = errno.errorcode.get(error.errno or 0, "")
    hint = hints.get(name, "")
    reason = error.strerror or str(error)
    return LabError(f"cannot {action}: {reason}" + (f"; {hint}" if hint else ""))
