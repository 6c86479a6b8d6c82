"""`completion`: what shells need to complete the commands and options."""

from __future__ import annotations

import argparse
import shlex

from .common import PROG, Adder, add_command

__all__ = ["add", "commands"]

_DESCRIPTION = """\
Prints a script that lets a shell complete the commands and options of this program."""

_EXAMPLES = """\
  source <(object-storage-proxy completion bash)    # in ~/.bashrc
  source <(object-storage-proxy completion zsh)    # in ~/.zshrc, after compinit
  object-storage-proxy completion fish > ~/.config/fish/completions/object-storage-proxy.fish"""

# Options with these metavars complete file names; others complete their choices, if any.
_FILES = ("FILE",)


def add(adder: Adder) -> None:
    """Adds the command."""
    parser = add_command(
        adder, "completion", "print a completion script for a shell", _DESCRIPTION, _EXAMPLES
    )
    parser.add_argument("shell", choices=["bash", "zsh", "fish"])
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the script."""
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell](options.parser), end="")
    return 0


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of the commands, by name, in the order of the help."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _shown(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The options and arguments that the help shows."""
    return [
        action
        for action in parser._actions
        if action.help != argparse.SUPPRESS and not isinstance(action, argparse._SubParsersAction)
    ]


def _known(command: argparse.ArgumentParser) -> list[argparse.Action]:
    """What a command takes; of one with commands of its own, their names and all options."""
    actions = _shown(command)
    names = [a for a in command._actions if isinstance(a, argparse._SubParsersAction)]
    inner = [a for c in commands(command).values() for a in _shown(c) if a.option_strings]
    flags = {flag for action in actions for flag in action.option_strings}
    for action in inner:
        if flags.isdisjoint(action.option_strings):
            actions.append(action)
            flags.update(action.option_strings)
    return [*actions, *names]


def _flags(parser: argparse.ArgumentParser) -> list[str]:
    return [flag for action in _shown(parser) for flag in action.option_strings]


def _choices(action: argparse.Action) -> list[str]:
    return [str(choice) for choice in action.choices or ()]


def _bash(parser: argparse.ArgumentParser) -> str:
    known = commands(parser)
    values: list[str] = []
    words: list[str] = []
    for name, command in known.items():
        for action in _known(command):
            if action.option_strings and action.nargs != 0:
                pattern = "|".join(f"{name}:{flag}" for flag in action.option_strings)
                if action.metavar in _FILES:
                    answer = 'compgen -f -- "$word"'
                else:
                    answer = f'compgen -W {shlex.quote(" ".join(_choices(action)))} -- "$word"'
                values.append(f"    {pattern}) mapfile -t COMPREPLY < <({answer}); return ;;")
        flags = [flag for action in _known(command) for flag in action.option_strings]
        arguments = [c for a in _known(command) if not a.option_strings for c in _choices(a)]
        words.append(f"    {name}) words={shlex.quote(' '.join([*flags, *arguments]))} ;;")
    first = shlex.quote(" ".join([*known, *_flags(parser)]))
    return "\n".join(
        [
            f"# bash completion of {PROG}",
            "_object_storage_proxy() {",
            "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}",
            '  local command="" words i',
            "  for ((i = 1; i < COMP_CWORD; i++)); do",
            "    [[ ${COMP_WORDS[i]} == -* ]] || { command=${COMP_WORDS[i]}; break; }",
            "  done",
            "  case $command:$before in",
            *values,
            "  esac",
            "  case $command in",
            *words,
            f"    *) words={first} ;;",
            "  esac",
            '  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")',
            "}",
            f"complete -F _object_storage_proxy {PROG}",
            "",
        ]
    )


def _zsh(parser: argparse.ArgumentParser) -> str:
    def text(of: str) -> str:
        """Escaped for a description between brackets, in single quotes."""
        for mark in "\\[]:":
            of = of.replace(mark, f"\\{mark}")
        return of.replace("'", "'\\''")

    lines = [
        f"# zsh completion of {PROG}",
        "_object_storage_proxy() {",
        "  local -a commands",
        "  commands=(",
    ]
    known = commands(parser)
    summaries = _summaries(parser)
    lines += [f"    '{name}:{text(summaries[name])}'" for name in known]
    lines += [
        "  )",
        "  if (( CURRENT == 2 )); then",
        f"    _describe command commands; compadd -- {' '.join(_flags(parser))}",
        "    return",
        "  fi",
        "  local command=$words[2]",
        "  shift words; (( CURRENT-- ))",
        "  case $command in",
    ]
    for name, command in known.items():
        specs = []
        for action in _known(command):
            wanted = f"({' '.join(_choices(action))})" if action.choices else ""
            wanted = "_files" if action.metavar in _FILES else wanted
            if not action.option_strings:
                specs.append(f"'*:{text(str(action.metavar or action.dest))}:{wanted}'")
                continue
            value = "" if action.nargs == 0 else f":{text(str(action.metavar or 'value'))}:{wanted}"
            specs += [
                f"'{flag}[{text(_one_line(action))}]{value}'" for flag in action.option_strings
            ]
        lines.append(f"    {name}) _arguments {' '.join(specs)} ;;")
    return "\n".join([*lines, "  esac", "}", f"compdef _object_storage_proxy {PROG}", ""])


def _fish(parser: argparse.ArgumentParser) -> str:
    lines = [f"complete -c {PROG} -f"]
    summaries = _summaries(parser)
    for name in commands(parser):
        lines.append(_fish_line("__fish_use_subcommand", ["-a", name, "-d", summaries[name]]))
    for action in _shown(parser):
        lines.append(_fish_line("__fish_use_subcommand", _fish_option(action)))
    for name, command in commands(parser).items():
        here = f"__fish_seen_subcommand_from {name}"
        for action in _known(command):
            if action.option_strings:
                lines.append(_fish_line(here, _fish_option(action)))
            elif action.choices:
                lines.append(_fish_line(here, ["-a", " ".join(_choices(action))]))
    return "\n".join([*lines, ""])


def _fish_line(condition: str, rest: list[str]) -> str:
    return shlex.join(["complete", "-c", PROG, "-n", condition, *rest])


def _fish_option(action: argparse.Action) -> list[str]:
    words: list[str] = []
    for flag in action.option_strings:
        words += ["-l", flag[2:]] if flag.startswith("--") else ["-s", flag[1:]]
    if action.metavar in _FILES:
        words += ["-r", "-F"]
    elif action.nargs != 0:
        words.append("-x")
        if action.choices:
            words += ["-a", " ".join(_choices(action))]
    return [*words, "-d", _one_line(action)]


def _one_line(action: argparse.Action) -> str:
    return (action.help or "").partition(";")[0]


def _summaries(parser: argparse.ArgumentParser) -> dict[str, str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return {a.dest: a.help or "" for a in action._choices_actions}
    return {}
