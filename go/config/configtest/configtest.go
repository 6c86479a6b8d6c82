// Package configtest makes configurations for tests, as Python sends them. It is
// no part of the proxy.
package configtest

import (
	"encoding/json"
	"maps"
)

// Document is the JSON of a configuration that says no more than it must, with
// some parameters changed or added.
func Document(changes map[string]any) []byte {
	all := map[string]any{
		"cos_map":                        map[string]any{},
		"http_port":                      0,
		"host":                           "127.0.0.1",
		"metrics_host":                   "127.0.0.1",
		"server_name":                    "osp",
		"max_presign_url_usage_attempts": 3,
		"auth_cache_capacity":            1024,
		"access_log_format":              "json",
		"callback_concurrency":           32,
		"callback_queue":                 10_000,
		"callback_timeout":               30,
		"drain_delay":                    0,
		"drain_timeout":                  30,
		"hmac_ttl":                       300,
		"http2":                          true,
		"shared_namespace":               "test",
		"shared_timeout":                 1,
		"shared_uses":                    "closed",
		"shadow_sample":                  1,
	}
	maps.Copy(all, changes)
	document, err := json.Marshal(all)
	if err != nil {
		panic(err) // of a test that changes something to what JSON lacks
	}
	return document
}
