"""An S3 proxy that lives inside this Python process.

Clients sign with keys that you hand out; your functions say who may do what, and
with which credentials of the store::

    import object_storage_proxy as osp

    osp.start_server(osp.ProxyServerConfig(
        cos_map={"photos": {"host": "s3.eu-west-1.amazonaws.com", "port": 443, ...}},
        hmac_keystore=[{"access_key": "alice", "secret_key": "..."}],
        validator=lambda token, bucket: token == "alice",
        http_port=8080,
    ))

Importing it loads no library and starts no thread; the first start of a proxy does.
"""

from ._version import __version__
from .config import CosMapItem, ProxyServerConfig
from .decision import Decision
from .errors import ConfigError
from .server import (
    ProxyServer,
    disable_request_counting,
    enable_request_counting,
    get_request_count,
    start_server,
)

__all__ = [
    "ConfigError",
    "CosMapItem",
    "Decision",
    "ProxyServer",
    "ProxyServerConfig",
    "__version__",
    "disable_request_counting",
    "enable_request_counting",
    "get_request_count",
    "start_server",
]
