"""An S3 proxy that runs inside this Python process.

Clients sign with keys that you hand out; your functions, the callbacks, decide who may do
what, and with which credentials for the store::

    import object_storage_proxy as osp

    osp.start_server(osp.ProxyServerConfig(
        cos_map={"photos": {"host": "s3.eu-west-1.amazonaws.com", "port": 443, ...}},
        hmac_keystore=[{"access_key": "alice", "secret_key": "..."}],
        validator=lambda token, bucket: token == "alice",
        http_port=8080,
    ))

Importing it neither loads the library nor starts a thread; the first start of a proxy does.
"""

from ._counting import disable_request_counting, enable_request_counting, get_request_count
from ._foreground import start_server
from ._issue import TemporaryKeys
from ._version import __version__
from .config import CosMapItem, ProxyServerConfig
from .decision import Decision
from .errors import ConfigError, SharedStateError
from .server import ProxyServer
from .session import Session

__all__ = [
    "ConfigError",
    "CosMapItem",
    "Decision",
    "ProxyServer",
    "ProxyServerConfig",
    "Session",
    "SharedStateError",
    "TemporaryKeys",
    "__version__",
    "disable_request_counting",
    "enable_request_counting",
    "get_request_count",
    "start_server",
]
