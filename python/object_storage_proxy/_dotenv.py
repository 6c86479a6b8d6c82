"""The file ``.env`` of the working directory."""

from __future__ import annotations

from io import StringIO

from dotenv import load_dotenv

from . import _files
from .errors import ConfigError

_NAME = ".env"


def text() -> StringIO:
    """What the file says; nothing where there is none, or no working directory any more.

    Raises ConfigError.
    """
    try:
        with open(_NAME, encoding="utf-8", opener=_files.regular) as file:
            found = file.read()
    except (FileNotFoundError, IsADirectoryError):  # a virtual environment may have that name
        found = ""
    except OSError as error:
        raise ConfigError([(_NAME, f"can't be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([(_NAME, "is not UTF-8")]) from error
    if "\0" in found:
        raise ConfigError([(_NAME, "holds a zero byte")])
    return StringIO(found)


def load() -> None:
    """Adds to the environment; what it has already, stays. Raises ConfigError."""
    try:
        load_dotenv(stream=text())
    except ConfigError:
        raise
    except ValueError as error:
        raise unfit() from error


def unfit() -> ConfigError:
    """What the system refuses as a part of the environment."""
    return ConfigError([(_NAME, "has a name or a value that the environment can't have")])
