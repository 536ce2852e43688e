"""Check the built site: every link and anchor inside of it leads somewhere, and nothing is loaded from elsewhere.

Links to other servers are only looked at: they must be https addresses. Exit code 1 if anything is wrong.

Example:
    python -m scripts.check_site build/site
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser loads by itself, and the attribute that says from where.
LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "link": "href",
}


class Page(HTMLParser):
    """The anchors of a page, its links, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = {""}
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what is of interest."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in LOADED and LOADED[tag] in given and given.get("rel") not in ("index", "search", "next", "prev"):
            self.loads.append(given[LOADED[tag]])


def wrong(site: Path) -> Iterator[str]:
    """What is wrong in a site, a line each."""
    pages = {path.resolve(): Page(path) for path in site.rglob("*.html")}
    if not pages:
        yield f"{site}: there is no page"
    for path, page in pages.items():
        for address in page.loads:
            if urlsplit(address).netloc or (not address.startswith("data:") and not _file(path, address).is_file()):
                yield f"{path.name}: loads {address}"
        for address in page.links:
            if problem := _problem(path, address, pages):
                yield f"{path.name}: {address}: {problem}"
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        if "url(http" in text or "url(//" in text or "@import" in text:
            yield f"{sheet.name}: loads something from another server"


def _file(page: Path, address: str) -> Path:
    return (page.parent / unquote(urlsplit(address).path)).resolve()


def _problem(path: Path, address: str, pages: dict[Path, Page]) -> str:
    """What is wrong with a link, or nothing."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return "" if parts.scheme in ("https", "mailto") and (parts.netloc or parts.path) else "not an https address"
    target = _file(path, address) if parts.path else path
    if not target.is_file():
        return "there is no such file"
    known = pages[target].anchors if target in pages else {"", parts.fragment}
    return "" if unquote(parts.fragment) in known else "there is no such anchor"


def main() -> None:
    """Print what is wrong."""
    found = list(wrong(Path(sys.argv[1])))
    print("\n".join(found) or "every link and anchor leads somewhere, and nothing is loaded from elsewhere")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
