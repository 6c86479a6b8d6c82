#!/usr/bin/env bash
# Builds, runs, tests and checks the proxy. `./build.sh` alone lists the verbs.
#
# Needs Go, Python and a C compiler; everything else is installed under
# .build/, in the versions that the requirements.txt of tests, tests/clients, tests/bench and docs/site,
# tests/{tools,tools/helm,tools/kubernetes,stores,stores/seaweedfs,signers,bench/kit}/go.mod, tests/stores/moto.txt,
# tests/balancers.txt, tests/tools/kubernetes-validate.txt, tests/signers/js and this script pin,
# from wherever pip, go, npm, cargo and Maven are configured to look.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly ROOT=$PWD
readonly BUILD=$ROOT/.build
readonly VENV=$BUILD/venv
readonly PY=$VENV/bin/python
readonly LIBRARY=$BUILD/lib/libosp.so
readonly PLATFORMS=(manylinux2014_x86_64 manylinux2014_aarch64)
if command -v sha256sum >/dev/null; then readonly SHA256=(sha256sum); else readonly SHA256=(shasum -a 256); fi # macOS
readonly TRINO=476
readonly KWOK=0.8.0 GATEWAY_API=1.6.3 PROMETHEUS_OPERATOR=0.85.0
readonly GARAGE=2.5.0 S3S_FS=0.14.1 RUST=1.92 S3PROXY=4.1.0
readonly KEYCLOAK=26.7.3
readonly FUZZ_TIME=${FUZZ_TIME:-20s}

usage() {
  cat <<'EOF'
usage: ./build.sh <verb>

  lib           build the shared library into .build/lib
  wheel         build the wheel for this machine into dist/
  wheel --platform P
                cross-build it into dist/P/: manylinux2014_x86_64, manylinux2014_aarch64
  sdist         pack the sources into dist/
  chart         pack the Helm chart into dist/
  run           build, then serve a demo store through the proxy until Ctrl-C
  run --once    the same, but use it once, say what was seen, and stop
  test          everything: checks, gates, Go tests with the race detector, fuzzing, end to end
  test quick    the part of it that takes less than two minutes
  test clients  clients that need a JVM: Spark, Trino, the AWS SDK for Java (30 minutes, 2 GB to fetch)
  test stores   more stores: Garage, moto, rclone, S3Proxy, s3s-fs, SeaweedFS (needs Rust and Java; three quarters of an hour, and half an hour once to build them)
  test identity temporary keys by the tokens of Keycloak and Kubernetes, and every client that
                can ask for them (needs Java; what `test clients` and `test k8s` need, too)
  test k8s      the chart in a Kubernetes without machines (10 minutes and more, once, to build it)
  bench         measure side by side with the original and nginx, and fail if a target is missed;
                docs/performance.md is made of it
  test fleet    replicas at Redis with TLS, Sentinel and Cluster, ten thousands of requests while servers and links fail,
                and behind more load balancers (ten minutes, 300 MB to fetch; wires between replicas and their server are
                cut where networks may be made: by root)
  bench quick   a part of it that takes less than three minutes
  bench copies  measure copies between two stores, by the proxy and by a client
  bench fairness what a client with 512 connections does to calm ones
  bench fleet   simulate a thousand replicas that share a Valkey; docs/scaling.md quotes it
  docs          build the documentation into .build/site
  interpreters  run the quick end-to-end tests with every Python that can be had, and
                write the table of docs/install.md; with arguments: tests/interpreters/run.py
  measure       size of the wheels, time of an import and a start, into docs/install.md
  check         formatting, linters, types, generated code and documents: seconds, once its tools are there
  gates         what has to be true of a release: its wheels, known vulnerabilities
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

# shellcheck source=tests/tools/bring.sh
source tests/tools/bring.sh

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

# chart gives the chart the version that the package has.
chart() {
  chart_tools
  say "chart into dist/"
  local version
  version=$(awk -F'"' '/^__version__/ { print $2 }' python/object_storage_proxy/_version.py)
  rm -f dist/object-storage-proxy-[0-9]*.tgz
  "$BUILD/chart/helm" package deploy/helm/object-storage-proxy --version "$version" --app-version "$version" --destination dist
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
  need_go; venv; go_tools; pyright; site_tools
  say "checks"
  (cd tests && exec "$PY" -m checks)
}

gates() {
  need_go; venv; go_tools; release_wheels
  say "gates"
  (cd tests && exec "$PY" -m checks gates)
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
  go_tools
  say "Go tests"
  go test ./go/...
  say "end to end, without the slow ones, with one store, some files at a time"
  "$PY" -m pytest tests -m 'not slow' --stores versitygw --numprocesses auto --maxprocesses 4 --dist loadfile
}

test_all() {
  check
  gates
  musl
  installed
  versitygw
  minio
  mc
  signers
  clients
  chromium
  chart_tools
  balancers
  say "Go tests with the race detector"
  go test -race ./go/...
  fuzz
  say "end to end"
  "$PY" -m pytest tests --numprocesses 2 --dist loadfile
}

test_clients() {
  installed
  versitygw
  minio
  spark; trino
  say "clients that need a JVM"
  "$PY" -m pytest tests/test_engines.py --engines
}

test_identity() {
  installed
  versitygw
  clients
  spark
  kubernetes
  keycloak
  say "temporary keys, by real issuers and for real clients"
  "$PY" -m pytest tests --identity
}

test_k8s() {
  installed
  chart_tools
  kubernetes
  say "the chart in Kubernetes"
  "$PY" -m pytest tests/test_kubernetes.py --kubernetes
}

# fleet: a longer look at what the quick tests look at for seconds.
test_fleet() {
  installed
  versitygw
  balancers; more_balancers
  { command -v redis-server && command -v redis-sentinel; } >/dev/null || debian redis-server redis-sentinel ||
    die "the oldest server to support is missing: install redis-server and redis-sentinel (Debian), 7.0 or newer."
  networks
  say "histories of a fleet"
  OSP_SOAK=${OSP_SOAK:-60s} go test -race -count 1 -run 'TestNoReplica' -v ./go/shared
  say "replicas at servers of all kinds, and behind balancers"
  "$PY" -m pytest tests --fleet --stores versitygw
}

# The addressing style is between a client and the proxy: with other stores it is one.
test_stores() {
  installed
  garage; s3s_fs; seaweedfs; moto; s3proxy
  clients; signers; mc # rclone, too, is a client
  say "more stores"
  local all=garage,moto,rclone,s3proxy,s3s-fs,seaweedfs
  "$PY" -m pytest tests/test_differential.py tests/test_clients.py -k 'not virtual' --stores "$all"
  "$PY" -m pytest tests/test_state_oracle.py -k test_the_grid --stores "$all"
}

bench() {
  if [[ ${1:-} == copies ]]; then
    installed
    versitygw
    (cd tests && exec "$PY" -m bench.copies)
    return
  fi
  if [[ ${1:-} == fleet ]]; then
    venv
    (cd tests && exec "$PY" -m bench.fleet)
    return
  fi
  installed
  contenders
  versitygw
  (cd tests/bench/kit && go build -o "$BUILD/bench/kit" .)
  if [[ ${1:-} == fairness ]]; then
    (cd tests && exec "$PY" -m bench.fairness)
    return
  fi
  say "side by side"
  (cd tests && exec "$PY" -m bench "$@")
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
    lib | sdist | chart | measure | check | gates | docs | fmt | clean) [[ $# -eq 0 ]] || die "$verb takes no arguments."; "$verb" ;;
    run) run "$@" ;;
    bench) bench "$@" ;;
    test)
      case $* in
        '') test_all ;;
        quick) test_quick ;;
        clients) test_clients ;;
        stores) test_stores ;;
        identity) test_identity ;;
        k8s) test_k8s ;;
        fleet) test_fleet ;;
        *) die "test takes nothing, quick, clients, stores, identity, k8s or fleet." ;;
      esac
      ;;
    '' | help | -h | --help) usage ;;
    *) usage >&2; die "there is no verb '$verb'." ;;
  esac
}

main "$@"
