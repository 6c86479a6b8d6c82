package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"osp/go/stores"
	"osp/go/wire"
)

// readBuckets reads the entries; governed tells that there is a policy for all of them.
func (c *Config) readBuckets(v *value, governed bool) stores.Buckets {
	all := v.dict()
	if all == nil {
		return stores.Buckets{}
	}
	var entries []*stores.Bucket
	for _, name := range slices.Sorted(maps.Keys(all.fields)) {
		entry := &value{v.mistakes, v.path + "[" + strconv.Quote(shorten(name)) + "]", all.fields[name]}
		entries = append(entries, c.readBucket(name, entry, governed))
	}
	return stores.NewBuckets(entries)
}

// checkPattern returns what is wrong with the name of an entry for many buckets.
func checkPattern(pattern string) string {
	switch literal := strings.Replace(pattern, "*", "", 1); {
	case strings.Contains(literal, "*"):
		return "must have at most one star"
	case len(literal) > 63 || strings.ContainsFunc(literal, func(r rune) bool { return r != '.' && wire.NotInLabel(r) }):
		return "must have letters, digits, dots, hyphens and underscores around its star"
	}
	return ""
}
