"""The state oracle: what a store did, held against what the validator was asked.

`cases` generates requests, `plot` keeps the buckets that they go to, `state` looks at
a store directly, `judge` says which question could have allowed what changed or was
told, and `campaign` puts it all together.
"""
