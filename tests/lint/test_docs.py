# SPDX-License-Identifier: Apache-2.0
"""Links in the documentation lead somewhere."""
import re

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(text):
    """The anchors that a forge makes of headings."""
    found = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
        found.add(plain.strip().replace(" ", "-"))
    return found


def test_links(text_files, source):
    wrong = []
    for path in text_files:
        if path.suffix != ".md":
            continue
        for link in LINK.findall(FENCE.sub("", path.read_text())):
            if re.match(r"[a-z]+:", link):
                continue
            target, _, anchor = link.partition("#")
            file = (path.parent / target).resolve() if target else path
            if not file.exists():
                wrong.append(f"{path.relative_to(source)}: {link} does not exist")
            elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text()):
                wrong.append(f"{path.relative_to(source)}: {link}: no such heading")
    assert not wrong, "\n".join(wrong)


def test_every_page_is_linked(source, text_files):
    """A page that nobody links is a page that nobody finds."""
    linked = set()
    for path in text_files:
        if path.suffix == ".md":
            for link in LINK.findall(path.read_text()):
                linked.add((path.parent / link.partition("#")[0]).resolve())
    pages = [path for path in text_files if path.suffix == ".md" and path.parent == source / "docs"]
    missing = [str(path.relative_to(source)) for path in pages if path.resolve() not in linked]
    assert not missing, f"not linked from any page: {missing}"
