"""What the end-to-end tests share: stores, proxies, clients and doubles."""
