"""What a command shows its user instead of a traceback."""

from __future__ import annotations

__all__ = ["CommandError", "MistakesError", "told"]


class CommandError(Exception):
    """The command can't continue.

    Attributes:
        lines: what to print, one problem per line.
        status: the exit status: 1, it did not work; 2, a mistake of the user's.
    """

    def __init__(self, *lines: str, status: int = 1) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.status = status


class MistakesError(CommandError):
    """The command or the configuration has mistakes; each line names one."""

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines, status=2)


def told(error: BaseException) -> str:
    """An exception in one line, whatever code of the user's it comes from."""
    kind = type(error).__name__
    try:
        text = " ".join(str(error).split())
    except BaseException:  # it is the user's, too
        text = ""
    return f"{kind}: {text}" if text else kind
