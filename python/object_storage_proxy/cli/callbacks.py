"""Callbacks that a configuration names as "package.module:function"."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from types import ModuleType

from .problems import told

__all__ = ["load", "module_of"]


def module_of(reference: str) -> str:
    """The module that a reference names; it may not exist."""
    return reference.partition(":")[0]


def load(reference: str) -> object:
    """Imports a module and returns what the reference names in it.

    The working directory is searched first, as gunicorn and uvicorn do.

    Raises ValueError with a text that follows on from "validator: ".
    """
    name, colon, attributes = reference.partition(":")
    if not (name and colon and attributes):
        raise ValueError('must be "package.module:function"')
    if not all(step.isidentifier() for step in [*name.split("."), *attributes.split(".")]):
        raise ValueError('must be "package.module:function", with valid Python names')
    found: object = _module(name)
    for step in attributes.split("."):
        try:
            found = getattr(found, step)
        except AttributeError:
            raise ValueError(f"the module {name} has no {attributes}") from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a property may do anything
            raise ValueError(f"{name} has no {attributes}: {told(error)}") from error
    return found


def _module(name: str) -> ModuleType:
    try:
        here = os.getcwd()
    except OSError:  # it does not exist any more
        here = ""
    if here and here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            places = f"neither in {here} nor installed" if here else "not even installed"
            raise ValueError(f"there is no module {error.name}, {places}") from error
        raise ValueError(_told(name, error)) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may do anything, even exit
        raise ValueError(_told(name, error)) from error


def _told(name: str, error: BaseException) -> str:
    """What went wrong in a module, and where, in one line."""
    where = ""
    if isinstance(error, SyntaxError) and error.filename:
        return f"importing {name} failed: {error.filename}:{error.lineno}: {error.msg}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith("<") and frame.filename != __file__:
            where = f"{frame.filename}:{frame.lineno}: "
            break
    return f"importing {name} failed: {where}{told(error)}"
