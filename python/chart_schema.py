"""Makes the chart's values.schema.json know the parameters of ProxyServerConfig.

Usage: python python/chart_schema.py [FILE]      (default: the chart's)

Helm then refuses a parameter that does not exist, or has another type, before anything is
installed. Only `$defs` is generated; `./build.sh check` compares it with the code.
"""

from __future__ import annotations

import asyncio
import collections.abc
import json
import os
import sys
import types
import typing
from datetime import datetime
from pathlib import Path
from typing import Any

from object_storage_proxy._document import NOT_DATA
from object_storage_proxy.config import CosMapItem, ProxyServerConfig

_TARGET = (
    Path(__file__).resolve().parents[1] / "deploy/helm/object-storage-proxy/values.schema.json"
)

_KINDS: dict[object, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    os.PathLike: "string",
    collections.abc.Mapping: "object",
    collections.abc.Sequence: "array",
}
_NONE = type(None)
_WIDTH = 100


def main(target: Path) -> None:
    schema = json.loads(_TARGET.read_text(encoding="utf-8"))
    schema["$defs"] = {
        # To a value of any type. What is none may be a secret: unlike "pattern", a failed
        # "not" doesn't show it.
        "reference": {"type": "string", "not": {"pattern": r"^([^$]|\$[^{])*$"}},
        "entry": _object(typing.get_type_hints(CosMapItem)),
        "config": _config(),
    }
    target.write_text(_written(schema) + "\n", encoding="utf-8")


def _config() -> dict[str, Any]:
    names = {"asyncio": asyncio, "datetime": datetime}
    hints = typing.get_type_hints(ProxyServerConfig.__init__, localns=names)
    del hints["return"]
    schema = _object({name: str if name in NOT_DATA else hint for name, hint in hints.items()})
    entries = {"type": "object", "additionalProperties": {"$ref": "#/$defs/entry"}}
    schema["properties"]["cos_map"] = _or_reference(entries)
    return schema


def _object(hints: dict[str, Any]) -> dict[str, Any]:
    properties = {name: _schema(hint) for name, hint in hints.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _schema(hint: object) -> dict[str, Any]:
    alternatives = typing.get_args(hint) if _is_union(hint) else (hint,)
    given = [typing.get_origin(each) or each for each in alternatives if each is not _NONE]
    kinds = sorted({_KINDS[each] for each in given})
    schema = {"type": kinds if len(kinds) > 1 else kinds[0]}
    return schema if "string" in kinds else _or_reference(schema)


def _or_reference(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"$ref": "#/$defs/reference"}]}


def _is_union(hint: object) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _written(value: Any, column: int = 0) -> str:
    """JSON whose lines are as long as the project's."""
    flat = json.dumps(value)
    if column + len(flat) <= _WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    inner = "\n" + " " * (column + 2)
    if isinstance(value, dict):
        lines = [f"{json.dumps(key)}: {_written(item, column + 2)}" for key, item in value.items()]
    else:
        lines = [_written(item, column + 2) for item in value]
    brackets = "{}" if isinstance(value, dict) else "[]"
    return f"{brackets[0]}{inner}{f',{inner}'.join(lines)}{inner[:-2]}{brackets[1]}"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else _TARGET)
