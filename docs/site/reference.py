"""The parts of the documents that are made from the code.

    python docs/site/reference.py            writes them
    python docs/site/reference.py --check    fails when they are not what the code says

The parameters and the keys of an entry come from the signature and the docstrings of
object_storage_proxy.config, the commands from the parser of the command line. Each part
stands between two comments, `<!-- NAME: begin -->` and `<!-- NAME: end -->`.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(DOCS.parent / "python"))

from object_storage_proxy._table import TABLE, Row  # noqa: E402
from object_storage_proxy.cli.common import PROG  # noqa: E402
from object_storage_proxy.cli.completion import commands  # noqa: E402
from object_storage_proxy.cli.parser import build  # noqa: E402
from object_storage_proxy.config import CosMapItem, ProxyServerConfig  # noqa: E402

# How annotations read in a table; all others stand as they are.
_TYPES = {
    "Mapping[str, Mapping[str, Any]]": "dict of dicts",
    "Sequence[Mapping[str, str]]": "list of dicts",
    "Sequence[str]": "list of str",
    "Path": "path",
    "str | os.PathLike[str]": "path",
    "asyncio.AbstractEventLoop": "event loop",
}


def described(docstring: str, heading: str) -> dict[str, str]:
    """The texts of a docstring's section, by the names before the colon."""
    section = inspect.cleandoc(docstring).partition(f"{heading}:\n")[2]
    found: dict[str, str] = {}
    for line in section.splitlines():
        if line and not line.startswith(" "):
            break
        if start := re.match(r" {4}(\w[^:]*): (.*)", line):
            names, text = start.groups()
            found[names] = text
        elif line.strip():
            found[names] += " " + line.strip()
    return found


def spelled_type(annotation: str) -> str:
    plain = annotation.replace(" | None", "")
    return _TYPES.get(plain, plain).replace("|", "or")


def spelled_callback(row: Row) -> str:
    always, all_of_them = min(row.forms, key=len), max(row.forms, key=len)
    more = "".join(f"[, {name}]" for name in all_of_them[len(always) :])
    return f"callable({', '.join(always)}{more})"


def cell(text: str) -> str:
    """Text of a docstring as a cell of a table."""
    return text.replace("``", "`").replace("|", "\\|").removesuffix(".")


def parameters(keyword_only: bool) -> Iterable[str]:
    texts = described(ProxyServerConfig.__doc__ or "", "Args")
    by_name = {name: text for names, text in texts.items() for name in names.split(", ")}
    signature = inspect.signature(ProxyServerConfig).parameters
    callbacks = {row.name: spelled_callback(row) for row in TABLE}
    if set(by_name) != set(signature):
        raise SystemExit(f"documented or there, but not both: {set(by_name) ^ set(signature)}")
    yield "| parameter | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, parameter in signature.items():
        if (parameter.kind is parameter.KEYWORD_ONLY) != keyword_only:
            continue
        default = "required"
        if parameter.default is not parameter.empty:
            default = f"`{parameter.default!r}`".replace("'", '"')
        kind = callbacks.get(name) or spelled_type(parameter.annotation)
        yield f"| `{name}` | {kind} | {default} | {cell(by_name[name])} |"


def entry() -> Iterable[str]:
    texts = described(CosMapItem.__doc__ or "", "Keys")
    kinds = CosMapItem.__annotations__
    documented = [n for names in texts for n in re.findall(r"[\w-]+", names)]
    if sorted(documented) != sorted(kinds):
        raise SystemExit(f"documented or there, but not both: {set(documented) ^ set(kinds)}")
    yield "| key | type | meaning |"
    yield "|---|---|---|"
    for names, text in texts.items():
        first = re.match(r"[\w-]+", names)
        assert first
        kind = inspect.formatannotation(kinds[first[0]]).replace("'", "")
        shown = re.sub(r"[\w-]+", r"`\g<0>`", names)
        yield f"| {shown} | {spelled_type(kind)} | {cell(text)} |"


def leaves(
    parser: argparse.ArgumentParser, before: str = ""
) -> Iterable[tuple[str, argparse.ArgumentParser]]:
    """The commands, but instead of one that has commands of its own these."""
    for name, command in commands(parser).items():
        if commands(command):
            yield from leaves(command, f"{before}{name} ")
        else:
            yield before + name, command


def command_line() -> Iterable[str]:
    for name, command in leaves(build()):
        yield f"## {name}"
        yield ""
        yield "```text"
        yield f"{PROG} {name}{usage(command)}"
        yield "```"
        yield ""
        yield from prose(command.description or "")
        yield "| option | meaning |"
        yield "|---|---|"
        for action in command._actions:
            if action.help == argparse.SUPPRESS or "--help" in action.option_strings:
                continue
            yield f"| {', '.join(option(action))} | {cell(action.help or choices(action))} |"
        yield ""
        yield "```sh"
        yield from inspect.cleandoc((command.epilog or "").partition("\n")[2]).splitlines()
        yield "```"
        yield ""


def prose(text: str) -> Iterable[str]:
    """A help text as Markdown: what is indented there is code."""
    for block in re.split(r"\n\n(?=\S)|(?<=:)\n\n(?=  )", text):
        if block.startswith("  "):
            kind = "toml" if " = " in block else "text"
            yield from (f"```{kind}", *inspect.cleandoc("\n" + block).splitlines(), "```", "")
        else:
            yield from (*block.splitlines(), "")


def usage(command: argparse.ArgumentParser) -> str:
    words = [" [options]"]
    for action in command._actions:
        if not action.option_strings:
            name = str(action.metavar or "|".join(map(str, action.choices or ())) or action.dest)
            words.append(f"[{name} ...]" if action.nargs == "*" else name)
    return " ".join(words)


def option(action: argparse.Action) -> Iterable[str]:
    value = action.metavar or (choices(action) if action.choices else "")
    if action.nargs == 0:
        value = ""
    for flag in action.option_strings:
        yield f"`{flag}{f' {value}' if value else ''}`".replace("|", "\\|")
    if not action.option_strings:
        yield f"`{action.metavar or action.dest}`"


def choices(action: argparse.Action) -> str:
    return "|".join(map(str, action.choices or ()))


PARTS: dict[tuple[str, str], Callable[[], Iterable[str]]] = {
    ("configuration.md", "positional"): lambda: parameters(keyword_only=False),
    ("configuration.md", "by name"): lambda: parameters(keyword_only=True),
    ("configuration.md", "entry"): entry,
    ("command-line.md", "commands"): command_line,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    differ = 0
    for (document, part), make in PARTS.items():
        file = DOCS / document
        begin, end = f"<!-- {part}: begin -->\n", f"<!-- {part}: end -->"
        text = file.read_text(encoding="utf-8")
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise SystemExit(f"{document} has no part {part!r}")
        made = before + begin + "\n".join(make()).rstrip("\n") + "\n" + end + after
        if made != text and check:
            print(f"{document}: {part!r} is not what the code says: run docs/site/reference.py")
            differ += 1
        elif made != text:
            file.write_text(made, encoding="utf-8")
    return differ


if __name__ == "__main__":
    sys.exit(main())
