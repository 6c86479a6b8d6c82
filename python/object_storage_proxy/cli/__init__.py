"""The command line, `object-storage-proxy`.

One module for each command, with `add` (its options and help) and `run` (returns the
exit status); `settings` reads configurations for all of them. The user's mistakes are
reported in one line each, without a traceback.

Exit statuses: 0 done; 1 it did not work (a port in use, a store that does not respond);
2 a mistake in the command or the configuration; 130 Ctrl-C.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from ..errors import ConfigError
from .common import complain
from .parser import build
from .problems import CommandError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status.

    Args:
        arguments: what follows the program's name; None: those of this process.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # as on stderr: what can't be encoded is escaped
        sys.stdout.reconfigure(errors="backslashreplace")
    parser = build()
    options = parser.parse_args(arguments)
    options.arguments = sys.argv[1:] if arguments is None else arguments
    if options.run is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except CommandError as error:
        for line in error.lines:
            complain(line)
        return error.status
    except ConfigError as error:  # from what a command makes of its arguments
        for path, message in error.mistakes:
            complain(f"{path}: {message}" if path else message)
        return 2
    except ImportError as error:  # the library can't be loaded on this system
        complain(str(error))
        return 1
    except BrokenPipeError:  # `... | head`; what is left in the buffer has no reader
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
