"""The version: pyproject.toml reads it, the build links it into the library."""

__version__ = "0.1.0"
