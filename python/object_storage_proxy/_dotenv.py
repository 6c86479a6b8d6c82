"""The file ``.env`` in the working directory."""

from __future__ import annotations

from io import StringIO

from dotenv import load_dotenv

from . import _files
from .errors import ConfigError

_NAME = ".env"


def text() -> StringIO:
    """What the file says; empty if it, or the working directory itself, does not exist.

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
        raise ConfigError([(_NAME, "contains a zero byte")])
    return StringIO(found)


def load() -> None:
    """Adds to the environment; variables that are already set are kept. Raises ConfigError."""
    try:
        load_dotenv(stream=text())
    except ConfigError:
        raise
    except ValueError as error:
        raise unfit() from error


def unfit() -> ConfigError:
    """A ConfigError for what the system refuses as part of the environment."""
    return ConfigError([(_NAME, "has a name or a value that the environment can't have")])
