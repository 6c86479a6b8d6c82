"""The grid: signed requests with everything that a request can say, and much that it can't.

Names in at signs stand for what a plot has: buckets, ids of uploads and versions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import product
from urllib.parse import quote

from oracle import documents, names, spellings
from oracle.request import METHODS, WRITTEN, Case, fitting
from oracle.wire import Headers

# Every kind of target once: the service, buckets, objects.
TARGETS = ("/", "/@open@", "/@empty@", "/@new@", "/@open@/k")
MORE_TARGETS = (
    "/@open@/new", "/@open@/secret/x", "/@closed@", "/@closed@/k", "/@kept@", "/@kept@/k",
    "/@folder@", "/@folder@/k", "/@folder@/secret/x", "/@other@/k", "/@open@/up",
)  # fmt: skip


def _values(name: str) -> Iterator[str]:
    """A parameter without a value, with an empty one, with some value, with one that fits."""
    yield name
    yield f"{name}="
    yield f"{name}=x"
    if value := names.VALUES.get(name):
        fits = value if value.startswith("@") else quote(value, safe="@&=")
        yield f"{name}{fits}" if value.startswith("&") else f"{name}={fits}"


def subresources() -> Iterator[Case]:
    """Every name, S3's or not, on every kind of target, by every method."""
    for name, method, target in product(names.selectors(), METHODS, TARGETS):
        for value in _values(name):
            yield Case("subresource", method, f"{target}?{value}")
            if body := fitting(method, target, name):
                yield Case("subresource", method, f"{target}?{value}", body=body)
    places = {
        "/": ("GET", "POST"), "/@open@": ("GET", "PUT", "POST"), "/@empty@": ("DELETE",),
        "/@new@": ("PUT",), "/@open@/k": METHODS,
    }  # fmt: skip
    for name, (target, methods) in product([*names.parameters(), *names.foreign()], places.items()):
        bare, *_, best = _values(name)
        for method in methods:
            yield Case("parameter", method, f"{target}?{bare}")
            yield Case("parameter", method, f"{target}?{best}")


_IDS = (
    "uploadId=@upload@", "uploadId=@secret-upload@", "versionId=@version@", "partNumber=1",
    "uploadId=@upload@&partNumber=2", "uploadId=@upload@&partNumber=", "uploadId=&partNumber=1",
    "uploadId=@upload@&part-number-marker=0", "versionId=null", "versionId=@version@&tagging",
    "versionId=&acl",
)  # fmt: skip


def elsewhere() -> Iterator[Case]:
    """S3's selectors on more targets, and what belongs to them."""
    for query, method, target in product(["", *names.selectors(), *_IDS], METHODS, MORE_TARGETS):
        name = query.partition("=")[0].partition("&")[0]
        body = b""
        if method in ("PUT", "POST"):
            body = fitting(method, target, name) if query else WRITTEN
        yield Case("target", method, f"{target}?{query}" if query else target, body=body)


def by_other_rules() -> Iterator[Case]:
    """What a store falls back to that lacks a subresource may be refused, unlike that."""
    targets = ("/@open@", "/@empty@", "/@new@", "/@open@/k")
    for query, method, target in product(["", *names.selectors()], METHODS, targets):
        for body in sorted({b"", fitting(method, target, query) if query else b""}):
            where = f"{target}?{query}" if query else target
            yield Case("rule named", method, where, body=body, client="named")
            if method not in ("PUT", "DELETE"):
                yield Case("rule blind", method, where, body=body, client="blind")
    for query, target in product(names.foreign(), ("/@open@", "/@open@/k")):
        yield Case("rule blind", "GET", f"{target}?{query}", client="blind")
    for query in ("", "tagging", "acl", "retention", "uploadId=@upload@&partNumber=1"):
        source = ("x-amz-copy-source", "/@open@/dir/x")
        yield Case("rule blind", "PUT", f"/@open@/k?{query}", (source,), client="blind")


SOURCES = (
    "/@open@/dir/x", "@open@/secret/x", "/@closed@/k", "@other@/k", "/@open@//secret/x",
    "@open@//secret/x", "/@open@/dir/../secret/x", "/@open@/./secret/x", "@open@%2Fsecret%2Fx",
    "/@open@/secret%2fx", "/@open@/%2e%2e/@closed@/k", "//@open@/secret/x", "/@open@/k?versionId=x",
    "@kept@/k?versionId=@version@", "@open@/dir//x", "@open@/public//x", "@folder@/k",
    "@folder@/secret/x", "@folder@/../outside/x", "@folder@//outside/x", "/@real@/outside/x",
    "@open@/.sgwtmp/x", "@open@", "/@open@/", "@open@/\\secret\\x", "@open@/dir/x?acl",
)  # fmt: skip


def copies() -> Iterator[Case]:
    """Copy and rename sources, allowed and refused, on operations that have none, too."""
    headers = ("x-amz-copy-source", "x-amz-rename-source")
    for header, source, query in product(
        headers,
        SOURCES,
        ("", "renameObject", "uploadId=@upload@&partNumber=2", "retention", "uploads"),
    ):
        target = "/@open@/up" if query.startswith("uploadId") else "/@open@/k"
        method = "POST" if query == "uploads" else "PUT"
        yield Case("copy", method, f"{target}?{query}", ((header, source),))
    for header, name, method in product(headers, names.selectors(), METHODS):
        for source in SOURCES[:2]:
            yield Case("copy elsewhere", method, f"/@open@/k?{name}", ((header, source),))
    for header, name in product(headers, names.foreign()):
        yield Case("copy elsewhere", "PUT", f"/@open@/k?{name}", ((header, SOURCES[0]),))
    for header, target, source in product(headers, MORE_TARGETS, SOURCES[:4]):
        yield Case("copy", "PUT", target, ((header, source),))
    yield from (
        Case("copy elsewhere", "PUT", f"/@open@/k?{query}", (("x-amz-copy-source", source),), body)
        for query in (
            "uploadId=x",
            "uploadId=@upload@",
            "uploadId=",
            "partNumber=1",
            "versionId=null",
        )
        for source in SOURCES[:4]
        for body in (b"", WRITTEN)
    )


def other_headers() -> Iterator[Case]:
    """Each header of S3, and those of other dialects, alone."""
    some = {name: names.HEADER_VALUES.get(name, "x") for name in names.headers()}
    pairs = [(n.lower(), v) for n, v in some.items() if n not in names.FRAMING]
    places = product(METHODS, ("/@empty@", "/@new@", "/@open@/k"))
    for (method, target), header in product(places, [*pairs, *names.FOREIGN_HEADERS]):
        body = WRITTEN if method == "PUT" and target == "/@open@/k" else b""
        yield Case("header", method, target, (header,), body)
    archive = ("x-amz-meta-snowball-auto-extract", "true")
    prefixes: list[Headers] = [
        (), (("x-amz-meta-minio-snowball-prefix", "secret"),),
        (("x-amz-meta-minio-snowball-prefix", "/"),),
        (("x-amz-meta-snowball-prefix", "secret"),),
        (("x-amz-meta-minio-snowball-ignore-dirs", "true"),),
    ]  # fmt: skip
    targets = ("/@open@/k", "/@open@/new.tar", "/@folder@/k", "/@kept@/k", "/@open@/k?tagging")
    for more, compressed, target in product(prefixes, (False, True), targets):
        yield Case("archive", "PUT", target, (archive, *more), documents.tar(compressed))
    for name in (
        "x-minio-extract",
        "x-amz-meta-minio-snowball-auto-extract",
        "x-amz-meta-auto-extract",
    ):
        yield Case("archive", "PUT", "/@open@/new.tar", ((name, "true"),), documents.tar())


# Ways from where a store keeps uploads and listings to what nobody may reach.
_WAYS = (
    "../../../@closed@/k", "../../../../@closed@/k", "../@secret-path-hash@",
    "../../../@open@/secret/x", "../../../../@closed@/evil", "..", "../..",
    "../../../../@open@/evil",
)  # fmt: skip


def hidden_paths() -> Iterator[Case]:
    """Ids and places in listings that hold a path, plain or in base64."""
    part = b"<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>"
    part = b"<CompleteMultipartUpload>%s</CompleteMultipartUpload>" % part
    for way, before in product(_WAYS, ("x.", "", "1b2c.x")):
        upload = f"uploadId={{base64:{before}{way}}}"
        yield Case("hidden path", "PUT", f"/@open@/k?partNumber=1&{upload}", body=WRITTEN)
        yield Case("hidden path", "POST", f"/@open@/k?{upload}", body=part)
        for method in ("GET", "DELETE"):
            yield Case("hidden path", method, f"/@open@/k?{upload}")
    upload = "uploadId=@secret-upload@"
    yield Case("hidden path", "PUT", f"/@open@/k?partNumber=1&{upload}", body=WRITTEN)
    yield Case("hidden path", "POST", f"/@open@/k?{upload}", body=part)
    tags = ("return:,id:{}", "id:{},return:", "id:{},p:0,s:0", "[id:{},return:", "return:,id:{},")
    for way, tag, bucket in product(_WAYS, tags, ("@open@", "@folder@")):
        place = f"a[minio_cache:v2,{tag.format(way)}]"
        for what in ("marker", "versions&key-marker", "list-type=2&start-after"):
            yield Case(
                "hidden path", "GET", f"/{bucket}?max-keys=1&{what}={quote(place, safe='@')}"
            )
        token = f"/{bucket}?list-type=2&max-keys=1&continuation-token={{base64:{place}}}"
        yield Case("hidden path", "GET", token)
        yield Case("hidden path", "PUT", f"/{bucket}/{quote(place, safe='@/')}", body=WRITTEN)


def drawn(seed: int, count: int) -> Iterator[Case]:
    """Combinations of all of it, by chance: two parameters, headers, any target."""
    chance = random.Random(seed)
    everything = [*names.selectors(), *names.parameters(), *names.foreign()]
    headers = [*names.FOREIGN_HEADERS, *((n.lower(), v) for n, v in names.HEADER_VALUES.items())]
    targets = [*TARGETS[1:], *MORE_TARGETS, *(f"/@open@/{key}" for key in spellings.ODD_KEYS)]
    for _ in range(count):
        method, target = chance.choice(METHODS), chance.choice(targets)
        some = chance.sample(everything, chance.choice((0, 1, 2, 2, 3)))
        query = "&".join(chance.choice(list(_values(name))) for name in some)
        more = dict(chance.sample(headers, chance.choice((0, 1, 2))))
        bodies = [b"", WRITTEN, *(fitting(method, target, name) for name in some)]
        body = chance.choice(bodies) if method in ("PUT", "POST") else b""
        client = chance.choice(("trusted", "trusted", "named", "blind"))
        yield Case(
            "drawn", method, f"{target}?{query}" if query else target, tuple(more.items()), body,
            client=client,
        )  # fmt: skip


FAMILIES: tuple[Callable[[], Iterator[Case]], ...] = (
    subresources, elsewhere, by_other_rules, copies, other_headers, hidden_paths,
    spellings.odd_keys, spellings.control_planes, spellings.deletions, spellings.forms,
)  # fmt: skip


def grid(seed: int = 17, chosen_by_chance: int = 2000) -> list[Case]:
    """All of it, each request once, in an order that spreads the families."""
    found = dict.fromkeys(case for family in FAMILIES for case in family())
    found |= dict.fromkeys(drawn(seed, chosen_by_chance))
    cases = list(found)
    random.Random(seed).shuffle(cases)
    return cases


def sample(count: int, seed: int = 17) -> list[Case]:
    """Some of the grid."""
    return random.Random(seed).sample(grid(seed), count)
