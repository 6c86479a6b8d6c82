"""nginx twice: as a store of files that is as fast as can be, and as a plain proxy."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from pathlib import Path

from helpers.certificates import Certificates
from helpers.children import Child

_FRAME = """
daemon off;
user {user};
pid {folder}/pid;
error_log stderr error;
worker_processes {workers};
worker_rlimit_nofile 20000;
events {{ worker_connections 10000; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_requests 100000000;
  client_max_body_size 0;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {inside}
}}
"""

_STORE = """
  default_type application/octet-stream;
  open_file_cache max=100 inactive=1h;
  open_file_cache_valid 1h;
  server {{
    listen 127.0.0.1:{port};
    root {root};
    location {any} {{ try_files {stands_for} =404; }}
  }}
"""

# Buffers as large as they need be for nothing to touch the disk, bodies passed
# on while they come, connections kept: what an experienced owner would set.
_PROXY = """
  ssl_certificate {certificates.cert};
  ssl_certificate_key {certificates.key};
  ssl_protocols TLSv1.2 TLSv1.3;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_request_buffering off;
  proxy_buffer_size 16k;
  proxy_buffers 16 64k;
  proxy_busy_buffers_size 128k;
  proxy_max_temp_file_size 0;
  {upstreams}
  server {{
    listen 127.0.0.1:{http};
    listen 127.0.0.1:{https} ssl http2;
    {locations}
  }}
"""


def _start(folder: Path, workers: str, inside: str) -> Child:
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    config.write_text(
        _FRAME.format(folder=folder, user=getpass.getuser(), workers=workers, inside=inside)
    )
    return Child(["nginx", "-p", folder, "-c", config], folder / "nginx.log", cwd=folder)


def store(folder: Path, port: int, root: Path, any_name: str, stands_for: str) -> Child:
    """Serves the files under root, whatever a request is signed with.

    Every path that starts with any_name has the content of one file.
    """
    inside = _STORE.format(port=port, root=root, any=any_name, stands_for=stands_for)
    return _start(folder, "2", inside)


def proxy(
    folder: Path,
    http: int,
    https: int,
    stores: Mapping[str, int],
    certificates: Certificates,
    threads: int | None,
) -> Child:
    """Passes each request on to its bucket's store; threads None is one for each core."""
    upstreams, locations = [], []
    for bucket, port in stores.items():
        upstreams.append(
            f"upstream {bucket} {{ server 127.0.0.1:{port}; keepalive 600;"
            " keepalive_requests 100000000; }"
        )
        locations.append(f"location /{bucket}/ {{ proxy_pass http://{bucket}; }}")
    inside = _PROXY.format(
        certificates=certificates,
        http=http,
        https=https,
        upstreams="\n  ".join(upstreams),
        locations="\n    ".join(locations),
    )
    return _start(folder, str(threads or "auto"), inside)
