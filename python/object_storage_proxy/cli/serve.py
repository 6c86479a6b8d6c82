"""`serve`: runs the proxy that a configuration file describes, until it is told to stop."""

from __future__ import annotations

import argparse
import inspect
import logging
import signal
import threading
from typing import Any

from .. import _systemd
from .._shield import shielded
from .._signals import Hangups, ignore_at_exit, stopped_by_signals
from ..config import ProxyServerConfig
from ..errors import ConfigError, SharedStateError
from ..server import ProxyServer
from . import reload, settings
from .common import Adder, add_command, add_config, escaped
from .environment import DotEnv
from .problems import CommandError, told
from .watch import Watch, named_in

_DESCRIPTION = """\
Runs the proxy that a configuration describes, until Ctrl-C or SIGTERM. It first serves on for
drain_delay, if there is one; another Ctrl-C ends that. Requests in flight then have
drain_timeout to end; the next Ctrl-C cuts them off.

The configuration is a TOML file. Its keys are the parameters of ProxyServerConfig:

  http_port = 8080
  validator = "rules:may"          # the function may of rules.py

  [[hmac_keystore]]
  access_key = "alice"
  secret_key = "${ALICE_SECRET}"   # an environment variable, or one from .env

  [cos_map.photos]
  host = "s3.eu-west-1.amazonaws.com"
  port = 443
  region = "eu-west-1"
  access_key = "${STORE_KEY}"
  secret_key = "${file:/run/secrets/store}"

An environment variable OSP_ with a parameter in capitals, such as OSP_HTTP_PORT, takes
precedence over the file, and an option over both.

SIGHUP reads the configuration again, replaces the stores, the key pairs, the policies, issuers,
roles and limits, and drops the callbacks' cached answers. Any other change waits for a restart,
and the log says so. A configuration with mistakes changes nothing. With --watch no signal is
needed: a change of the configuration, of .env or of a file that the configuration names is seen
within two seconds."""

_EXAMPLES = """\
  object-storage-proxy serve
  object-storage-proxy serve --config staging.toml --host 127.0.0.1 --http-port 9000
  object-storage-proxy serve --watch     # on Kubernetes, with a ConfigMap and Secrets
  object-storage-proxy serve --reload    # while you write your callbacks
  OSP_THREADS=4 object-storage-proxy serve"""

_LEVELS = ("debug", "info", "warning", "error")
_STEP = 0.1  # seconds; how soon SIGHUP is seen

_log = logging.getLogger("object_storage_proxy")


def add(adder: Adder) -> None:
    """Adds the command."""
    parser = add_command(adder, "serve", "serve until Ctrl-C", _DESCRIPTION, _EXAMPLES)
    add_config(parser)
    parser.add_argument("--host", metavar="ADDRESS", help="the address to listen on")
    parser.add_argument("--http-port", type=int, metavar="PORT", help="for http; 0: any free port")
    parser.add_argument(
        "--https-port", type=int, metavar="PORT", help="for https; 0: any free port"
    )
    parser.add_argument("--metrics-port", type=int, metavar="PORT", help="for metrics")
    parser.add_argument("--threads", type=int, metavar="N", help="processors to use; 0: all")
    parser.add_argument(
        "--log-level", choices=_LEVELS, default="info", help="for the log on stderr; default: info"
    )
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--watch",
        action="store_true",
        help="do what SIGHUP does when the configuration or a file that it names changes",
    )
    when.add_argument(
        "--reload",
        action="store_true",
        help="for development: restart when the configuration or a module changes",
    )
    parser.add_argument("--reload-parent", type=int, help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


class _Lines(logging.Formatter):
    """What others said stays in its line. A traceback has several, none of which looks like
    one of the log."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        lines = super().formatException(ei).split("\n")
        return "\n".join(f"  {escaped(line)}" for line in lines)


def run(options: argparse.Namespace) -> int:
    """Serves; returns when the server has stopped."""
    ignore_at_exit()
    if options.reload:
        return reload.supervise(options.arguments)
    hangups = Hangups()
    # Until the process exits: SIGHUP must not kill it.
    signal.signal(signal.SIGHUP, hangups.note)
    if options.reload_parent is not None:
        reload.unblock()
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=options.log_level.upper())
    dotenv = DotEnv()
    dotenv.load()  # it may name the configuration
    if options.reload_parent is None:
        return _serve(options, dotenv, hangups)
    return reload.watched(
        lambda stop: _serve(options, dotenv, hangups, stop),
        settings.find(options.config),
        options.reload_parent,
    )


def _serve(
    options: argparse.Namespace,
    dotenv: DotEnv,
    hangups: Hangups,
    stop: threading.Event | None = None,
) -> int:
    watch = Watch()
    with watch.reading(), dotenv.tried():
        before = _read(options, watch)
        config = before.config()
    server = ProxyServer(config)
    with stopped_by_signals(server, last=True) as begun:
        _start(server)
        begun()
        while not server.wait(_STEP):
            if hangups.came() or (options.watch and _changed(watch)):
                with _systemd.reloading():
                    _reopen_logs(server)
                    before = _reload(server, options, dotenv, watch, before)
            if stop is not None and stop.is_set():
                server.stop(0)
        server.stop()
    return 0


def _start(server: ProxyServer) -> None:
    try:
        server.start()
    except ConfigError as error:  # errors that only the system can detect
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"can't listen: {error.strerror}") from error


def _changed(watch: Watch) -> bool:
    path = watch.changed()
    if path is not None:
        with shielded():
            _log.info("%s changed: reading the configuration again", path)
    return path is not None


def _read(options: argparse.Namespace, watch: Watch, file: str | None = None) -> settings.Settings:
    names = ("host", "http_port", "https_port", "metrics_port", "threads")
    path = settings.find(options.config) or file
    read = settings.read(path, {name: getattr(options, name) for name in names})
    for path in named_in(read.values):
        watch.note(path)
    for warning in read.warnings:
        with shielded():
            _log.warning("%s", warning)
    return read


def _reopen_logs(server: ProxyServer) -> None:
    """Reopens log files, which may have been moved away: that is what SIGHUP is mostly used for."""
    try:
        server.reopen_logs()
    except (OSError, RuntimeError) as error:  # RuntimeError: it has just stopped
        with shielded():
            _log.error("the logs were not reopened: %s", getattr(error, "strerror", error))


def _reload(
    server: ProxyServer,
    options: argparse.Namespace,
    dotenv: DotEnv,
    watch: Watch,
    before: settings.Settings,
) -> settings.Settings:
    """Applies what a running server can change; returns the settings now in force."""
    try:
        with watch.reading(), dotenv.tried():
            now = _read(options, watch, before.path)  # a file that has vanished is a mistake
            config = now.config()
            swapped = [n for n in _SWAPPED if n not in _KEPT or getattr(config, n) is not None]
            new = {name: getattr(config, name) for name in swapped}
            server.update(
                **{n: _NONE.get(n) if value is None else value for n, value in new.items()}
            )
    except BaseException as error:  # whatever modules and files do, the server goes on
        with shielded():
            _log_failure(error)
        return before
    _drop_answers(server)
    changed = [n for n in settings.PARAMETERS if now.values.get(n) != before.values.get(n)]
    with shielded():
        if waiting := [name for name in changed if name not in swapped]:
            _log.warning("changed, but needs a restart: %s", ", ".join(waiting))
        _log.info("the configuration was reloaded")
    now.values = {
        **{n: v for n, v in before.values.items() if n not in swapped},
        **{n: v for n, v in now.values.items() if n in swapped},
    }
    return now


def _drop_answers(server: ProxyServer) -> None:
    """Cached answers may be those of another configuration. This replica's are gone in any case."""
    try:
        server.invalidate(sessions=False)
    except (SharedStateError, TimeoutError, RuntimeError) as error:  # RuntimeError: it has stopped
        with shielded():
            _log.error("other replicas may still use what they remember: %s", error)


def _log_failure(error: BaseException) -> None:
    if isinstance(error, CommandError):
        for line in error.lines:
            _log.error("%s", line)
        _log.error("the configuration was not reloaded")
    elif isinstance(error, ConfigError):
        _log.error("the configuration was not reloaded: %s", error)
    else:
        _log.error("the configuration was not reloaded: %s", told(error))


# The parameters that can be replaced in a running server.
_SWAPPED = tuple(
    name for name in inspect.signature(ProxyServer.update).parameters if name != "self"
)
_KEPT = ("policy", "shadow_policy")  # those of them that can't be taken away
# What says of others that there are none now.
_NONE: dict[str, Any] = {"hmac_keystore": [], "issuers": {}, "roles": {}, "limits": {}}
assert set(_SWAPPED) <= set(ProxyServerConfig.__slots__)
