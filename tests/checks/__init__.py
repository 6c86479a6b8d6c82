"""Every check that is not a test, each under a name of its own.

`code` are those of `./build.sh check`, which answer while one works. `gates` are those of
`./build.sh gates`: what has to be true before anything goes out.
"""
