"""The command line: checking configurations, making keys, completing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import quote

import object_storage_proxy as osp
import pytest
from helpers.children import clean_environment
from helpers.cli import Run, mistaken, runner

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

COMMANDS = ["serve", "check-config", "presign", "keygen", "doctor", "invalidate", "completion"]

GOOD = """\
host = "127.0.0.1"
http_port = 0
validator = "rules:may"
trusted_proxies = ["10.0.0.0/8"]

[[hmac_keystore]]
access_key = "alice"
secret_key = "${ALICE_SECRET}"

[cos_map.photos]
host = "s3.eu-west-1.amazonaws.com"
port = 443
access_key = "${STORE_KEY:-nobody}"
secret_key = "a $${ stands for itself"
"""

RULES = "def may(token, bucket):\n    return True\n"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return runner(tmp_path)


@pytest.fixture
def check(tmp_path: Path, run: Run) -> Run:
    """Checks a configuration beside a module rules: check(toml, NAME=value)."""
    (tmp_path / "rules.py").write_text(RULES)

    def start(toml: str, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "proxy.toml").write_text(textwrap.dedent(toml), encoding="utf-8")
        return run("check-config", *args, **env)

    return start


EVERY_WAY = '''\
# "a comment [
http_port = 0  # '
prose = """
[no.header]
quotes \\""" and ""\\"
"""

list = [
  1, # ]
  "]", '[', # "
  { b = [2, """c
d"""] }, ]
a.b.c = 1
[[hmac_keystore]]
one = 1
access_key = "a"
secret_key = "a"
[[ "hmac_keystore" ]]
two = 1
access_key = "b"
secret_key = "b"
[cos_map."it's [a] #"]
three = 1
[cos_map]
x.dotted = 1
x.host = "h"
x.port = 1
inline = { host = "h", port = 1, four = 1 }
'''


class TestProgram:
    def test_its_version(self, run: Run) -> None:
        assert run("--version").stdout == f"object-storage-proxy {osp.__version__}\n"

    def test_the_module_is_the_same_program(self, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "object_storage_proxy", "--version"]
        done = subprocess.run(
            command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True
        )
        assert done.stdout == f"object-storage-proxy {osp.__version__}\n"

    def test_without_a_command_it_shows_its_help(self, run: Run) -> None:
        done = run()
        assert done.returncode == 2
        assert all(name in done.stderr for name in COMMANDS)

    @pytest.mark.parametrize("command", COMMANDS)
    def test_each_command_has_examples(self, run: Run, command: str) -> None:
        done = run(command, "--help")
        assert (done.returncode, done.stderr) == (0, "")
        assert f"  object-storage-proxy {command}" in done.stdout.partition("examples:\n")[2] or (
            command == "completion"
        )

    def test_an_unknown_option_is_told_in_short(self, run: Run) -> None:
        done = run("serve", "--colour", "red")
        assert done.returncode == 2
        assert done.stderr.endswith("error: unrecognized arguments: --colour red\n")


class TestCheckConfig:
    def test_all_is_well(self, check: Run) -> None:
        done = check(GOOD, ALICE_SECRET="s")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "proxy.toml: no mistakes, 1 entries in cos_map\n"

    def test_every_mistake_at_once_with_line_and_place(self, tmp_path: Path, check: Run) -> None:
        done = check(
            """\
            http_prot = 80
            threads = "many"
            validator = "rules:no_such"
            hmac_fetcher = "nowhere:f"
            [[hmac_keystore]]
            access_key = "alice"
            secret_key = "${NOT_THERE}"
            [cos_map.photos]
            port = 70000
            api_key = "${file:no-such-file}"
            [cos_map."a.b"]
            host = "h"
            port = 1
            colour = "red"
            anonymous = true
            """
        )
        assert mistaken(done) == [  # and not that the anonymous entry lacks the validator
            "proxy.toml:1: http_prot: is not a parameter; did you mean http_port?",
            "proxy.toml:2: threads: must be an integer, got a string",
            "proxy.toml:3: validator: the module rules has no no_such",
            "proxy.toml:4: hmac_fetcher: there is no module nowhere, "
            f"neither in {tmp_path} nor installed",
            "proxy.toml:7: hmac_keystore[0].secret_key: "
            "needs the environment variable NOT_THERE, which is not set",
            "proxy.toml:8: cos_map.photos.host: is required",
            "proxy.toml:9: cos_map.photos.port: must be between 1 and 65535, got 70000",
            "proxy.toml:10: cos_map.photos.api_key: "
            "needs the file no-such-file: No such file or directory",
            'proxy.toml:14: cos_map."a.b".colour: unknown key',
            "proxy.toml: http_port: is required, or https_port, or unix_socket",
        ]

    @pytest.mark.parametrize(
        ("code", "told"),
        [
            ("import no_such_thing", "rules.py:1: ModuleNotFoundError"),
            ("x = 1\nmay = 1 / 0", "rules.py:2: ZeroDivisionError: division by zero"),
            ("def may(:", "rules.py:1: invalid syntax"),
            ("raise SystemExit(3)", "rules.py:1: SystemExit: 3"),
            ("may = 3", "must be callable, got int"),
            ("def may(a): pass", "must be callable with (token, bucket)"),
        ],
    )
    def test_a_module_that_can_not_be_used(
        self, tmp_path: Path, check: Run, code: str, told: str
    ) -> None:
        (tmp_path / "rules.py").write_text(code)
        (line,) = mistaken(check(GOOD, ALICE_SECRET="s"))
        assert line.startswith("proxy.toml:3: validator: ")
        assert told in line

    def test_a_method_of_an_object_in_a_package(self, tmp_path: Path, check: Run) -> None:
        (tmp_path / "mine" / "rules").mkdir(parents=True)
        (tmp_path / "mine" / "rules" / "table.py").write_text(
            "class Table:\n    def may(self, token, bucket, request): return True\ntable = Table()"
        )
        toml = GOOD.replace("rules:may", "mine.rules.table:table.may")
        assert check(toml, ALICE_SECRET="s").returncode == 0

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_lines_of_a_file_in_every_way_of_writing(
        self, tmp_path: Path, run: Run, end: str
    ) -> None:
        (tmp_path / "proxy.toml").write_text(EVERY_WAY, newline=end)
        told = [line.split(": ") for line in mistaken(run("check-config"))]
        assert {place.partition(":")[2]: path for place, path, *_ in told if "." in place} == {
            "3": "prose",
            "8": "list",
            "13": "a",
            "14": "hmac_keystore[0]",  # its key is not named, it may be a secret
            "18": "hmac_keystore[1]",
            "22": 'cos_map."it\'s [a] #".port',
            "23": 'cos_map."it\'s [a] #".three',
            "25": "cos_map.x.dotted",
            "28": "cos_map.inline.four",
        }

    def test_many_mistakes_are_placed_by_one_look_at_the_file(self, check: Run) -> None:
        """One for each line and mistake would take longer than the test may."""
        entries = [f"[cos_map.bucket-{n}]\nhost = 'h'\nport = 0\n" for n in range(2000)]
        told = mistaken(check("http_port = 0\n" + "".join(entries)))
        assert [line.split(": ")[:2] for line in told] == [
            [f"proxy.toml:{3 * n + 4}", f"cos_map.bucket-{n}.port"] for n in range(2000)
        ]

    def test_what_is_no_toml(self, check: Run) -> None:
        (line,) = mistaken(check("http_port = \n[x"))
        assert line.startswith("proxy.toml: is not TOML: ")

    def test_a_file_that_is_not_there(self, run: Run) -> None:
        assert mistaken(run("check-config")) == [
            "there is no proxy.toml here: give a configuration with --config"
        ]
        assert mistaken(run("check-config", "-c", "x.toml")) == [
            "x.toml: No such file or directory"
        ]

    def test_no_mistake_shows_a_secret(self, check: Run) -> None:
        done = check(
            GOOD.replace("http_port = 0", "http_port = -1")
            + "session = 1\nsecret_key2 = 's3cret-in-file'\n",
            ALICE_SECRET="s3cret-of-alice",
            STORE_KEY="s3cret-of-store",
            OSP_THREADS="s3cret-threads",
        )
        assert len(mistaken(done)) == 4
        assert "s3cret" not in done.stdout + done.stderr


class TestEnvironment:
    """What comes from outside of the file."""

    def test_a_dotenv_file_counts_but_the_environment_wins(
        self, tmp_path: Path, check: Run
    ) -> None:
        (tmp_path / ".env").write_text("ALICE_SECRET=from-the-file\nOSP_HTTP_PORT=-1\n")
        assert mistaken(check(GOOD)) == [
            "OSP_HTTP_PORT: http_port: must be between 0 and 65535, got -1"
        ]
        assert check(GOOD, OSP_HTTP_PORT="0").returncode == 0

    @pytest.mark.parametrize(
        ("variable", "text", "complaint"),
        [
            ("OSP_HTTP_PORT", "many", "http_port: must be an integer, got a string"),
            ("OSP_TRUSTED_PROXIES", "10.0.0.0/8, x", "trusted_proxies[1]: must be an IP address"),
            ("OSP_TRUSTED_PROXIES", '["x"]', "trusted_proxies[0]: must be an IP address"),
            ("OSP_VALIDATOR", "rules:other", "validator: the module rules has no other"),
            ("OSP_COS_MAP", '{abc = {host = "h"}}', "cos_map.abc.port: is required"),
            ("OSP_SHOW_REASONS", "maybe", "show_reasons: must be"),
        ],
    )
    def test_a_variable_goes_before_the_file(
        self, check: Run, variable: str, text: str, complaint: str
    ) -> None:
        (line,) = mistaken(check(GOOD, ALICE_SECRET="s", **{variable: text}))
        assert line.startswith(f"{variable}: {complaint}")

    def test_text_stays_text(self, check: Run) -> None:
        assert (
            check(GOOD, ALICE_SECRET="s", OSP_SERVER_NAME="17", OSP_HOST="0.0.0.0").returncode == 0
        )

    def test_a_variable_that_no_parameter_has(self, check: Run) -> None:
        done = check(GOOD, ALICE_SECRET="s", OSP_HTPP_PORT="80", OSP_DOMAIN="")
        assert done.returncode == 0
        assert done.stderr == (
            "object-storage-proxy: warning: OSP_HTPP_PORT: there is no parameter htpp_port\n"
        )

    def test_the_environment_alone_is_enough(self, run: Run) -> None:
        entry = '{abc = {host = "localhost", port = 9000}}'
        done = run("check-config", OSP_COS_MAP=entry, OSP_HTTP_PORT="8080")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("the environment: no mistakes")

    def test_a_number_in_an_entry(self, check: Run) -> None:
        toml = GOOD.replace("port = 443", 'port = "${STORE_PORT}"')
        assert check(toml, ALICE_SECRET="s", STORE_PORT="9000").returncode == 0
        (line,) = mistaken(check(toml, ALICE_SECRET="s", STORE_PORT="high"))
        assert line == "proxy.toml:12: cos_map.photos.port: must be an integer, got a string"

    def test_a_secret_in_a_file_loses_its_line_end(self, tmp_path: Path, check: Run) -> None:
        (tmp_path / "secret").write_text("s\n")
        toml = GOOD.replace("${ALICE_SECRET}", "${file:secret}") + (
            '[[hmac_keystore]]\naccess_key = "alice"\nsecret_key = "s"\n'
        )
        assert check(toml).returncode == 0  # the same pair twice; another secret is a mistake
        (tmp_path / "secret").write_text("t\n")
        (line,) = mistaken(check(toml))
        assert "another secret_key" in line

    def test_a_reference_that_names_nothing(self, check: Run) -> None:
        (line,) = mistaken(check(GOOD.replace("${ALICE_SECRET}", "${not a name}")))
        assert line.startswith("proxy.toml:8: hmac_keystore[0].secret_key: has a ${...}")


class TestKeygen:
    def test_toml_for_names(self, run: Run) -> None:
        pairs = tomllib.loads(run("keygen", "alice", "bob").stdout)["hmac_keystore"]
        assert [pair["access_key"] for pair in pairs] == ["alice", "bob"]
        assert all(len(pair["secret_key"]) == 40 for pair in pairs)
        assert len({pair["secret_key"] for pair in pairs}) == 2

    def test_json_for_random_names(self, run: Run) -> None:
        pairs = json.loads(run("keygen", "-n", "3", "--format", "json").stdout)
        assert len({pair["access_key"] for pair in pairs}) == 3
        assert all(len(p["access_key"]) == 20 and p["access_key"].isalnum() for p in pairs)

    def test_env_is_what_a_shell_reads(self, tmp_path: Path, run: Run) -> None:
        (tmp_path / "key.env").write_text(
            run("keygen", "it's me!".replace(" ", "-"), "-f", "env").stdout
        )
        script = 'set -a; . ./key.env; printf "%s" "$AWS_ACCESS_KEY_ID"'
        shell = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True)
        assert shell.stdout == "it's-me!"

    @pytest.mark.parametrize(
        "name", ["a${HOME}b", "$${HOME}", "$$${HOME}", "${file:x}", "${", "${a${b}}", "$$", "$}{"]
    )
    def test_what_it_prints_means_the_name_in_a_configuration(
        self, tmp_path: Path, run: Run, name: str
    ) -> None:
        toml = run("keygen", name).stdout
        (tmp_path / "proxy.toml").write_text(f"http_port = 80\ndomain = 'a'\n{toml}")
        done = run("presign", "b/k", "--access-key", name, HOME="/root")
        assert (done.returncode, done.stderr) == (0, "")
        assert f"X-Amz-Credential={quote(name, safe='')}%2F" in done.stdout

    @pytest.mark.parametrize(
        "args",
        [
            ("a", "b", "--format", "env"),
            ("a", "a"),
            ("with space",),
            ("",),
            ("a", "--count", "2"),
            ("--count", "0"),
        ],
    )
    def test_what_can_not_be(self, run: Run, args: tuple[str, ...]) -> None:
        assert len(mistaken(run("keygen", *args))) == 1


class TestCompletion:
    def bash(self, run: Run, *words: str) -> list[str]:
        """What bash would offer for the last word."""
        script = run("completion", "bash").stdout
        line = " ".join(f"'{word}'" for word in words)
        script += f"""
            COMP_WORDS=(object-storage-proxy {line}); COMP_CWORD={len(words)}
            _object_storage_proxy; printf '%s\n' "${{COMPREPLY[@]}}"
        """
        shell = ["bash", "--norc", "-euc", script]
        done = subprocess.run(shell, capture_output=True, text=True, check=True)
        assert not done.stderr
        return done.stdout.split()

    def test_commands_options_and_choices(self, tmp_path: Path, run: Run) -> None:
        assert self.bash(run, "c") == ["check-config", "credentials", "completion"]
        assert set(self.bash(run, "")) >= set(COMMANDS)
        assert self.bash(run, "serve", "--http-") == ["--http-port"]
        assert "--reload-parent" not in self.bash(run, "serve", "--")
        assert self.bash(run, "presign", "--method", "P") == ["PUT", "POST"]
        assert self.bash(run, "completion", "") == ["-h", "--help", "bash", "zsh", "fish"]
        assert self.bash(run, "policy", "d") == ["diff"]
        assert self.bash(run, "policy", "diff", "--ag") == ["--against"]
        (tmp_path / "proxy.toml").touch()
        found = self.bash(run, "serve", "--config", str(tmp_path / "pro"))
        assert found == [str(tmp_path / "proxy.toml")]

    @pytest.mark.parametrize("shell", ["zsh", "fish"])
    def test_other_shells_know_every_option(self, run: Run, shell: str) -> None:
        script = run("completion", shell).stdout
        for option in ("reload", "log-level", "virtual-hosted", "timeout", "count"):
            assert {"zsh": f"'--{option}[", "fish": f"-l {option} "}[shell] in script
        assert "reload-parent" not in script
        if program := shutil.which(shell):
            done = subprocess.run([program, "-n"], input=script, capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, "")

    def test_an_unknown_shell(self, run: Run) -> None:
        assert run("completion", "csh").returncode == 2
