"""Where and how the proxy listens."""

from __future__ import annotations

from urllib.parse import urlsplit

import object_storage_proxy as osp
import pytest
from conftest import Serve, settings
from helpers.double import S3Double


class TestReusePort:
    def test_two_servers_share_a_port(self, serve: Serve, double: S3Double) -> None:
        cos_map = {"data": double.entry()}
        first = serve(cos_map, reuse_port=True)
        port = urlsplit(first.url()).port
        second = serve(cos_map, reuse_port=True, http_port=port, server_name="second")
        assert second.url() == first.url()
        seen = set()
        while len(seen) < 2:  # a new connection each; the system spreads them by a hash
            answer = second.boto().get_object(Bucket="data", Key="k")
            seen.add(answer["ResponseMetadata"]["HTTPHeaders"]["server"])
        first.server.stop()
        for _ in range(8):
            answer = second.boto().get_object(Bucket="data", Key="k")
            assert answer["ResponseMetadata"]["HTTPHeaders"]["server"] == "second"

    def test_nobody_shares_by_default(self, serve: Serve, double: S3Double) -> None:
        first = serve({"data": double.entry()})
        config = settings({}, http_port=urlsplit(first.url()).port, reuse_port=True)
        with pytest.raises(OSError, match="in use"):
            osp.ProxyServer(config).start()
