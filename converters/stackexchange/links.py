"""Which question is a duplicate of which: PostLinks.xml, and chains followed to their end."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from converters.stackexchange.dump import Row
from converters.stackexchange.posts import number_of

_DUPLICATE = "3"


@dataclass(slots=True)
class Links:
    """The duplicate links of a dump.

    Args:
        originals: duplicate question id -> ids of the questions it repeats, in file order.
        rows: rows read, of every kind of link.
        unusable: duplicate links without two different ids.
    """

    originals: dict[int, tuple[int, ...]] = field(default_factory=dict)
    rows: int = 0
    unusable: int = 0

    def targets(self) -> set[int]:
        """Return the ids that something is a duplicate of."""
        return {target for targets in self.originals.values() for target in targets}


def read_links(rows: Iterable[Row]) -> Links:
    """Keep the duplicate links of PostLinks.xml."""
    links = Links()
    for row in rows:
        links.rows += 1
        if row.get("LinkTypeId") != _DUPLICATE:
            continue
        duplicate, original = number_of(row, "PostId"), number_of(row, "RelatedPostId")
        if duplicate is None or original is None or duplicate == original:
            links.unusable += 1
            continue
        links.originals[duplicate] = (*links.originals.get(duplicate, ()), original)
    return links


def follow_chains(links: Links, usable: Container[int]) -> dict[int, tuple[int, ...]]:
    """Find the original at the end of every chain of duplicates.

    With A a duplicate of B, and B one of C, both are duplicates of C. The end is the last question
    that is usable: where C is not, B is the original. A link that would close a circle is ignored;
    the search begins at the newest question, so the older of two stays the original.

    Args:
        links: the duplicate links.
        usable: ids that may be an original.

    Returns:
        Duplicate id -> ids of its originals, none of which is a duplicate itself. Empty where no
        usable question is linked.
    """
    found: dict[int, tuple[int, ...]] = {}
    for start in sorted(links.originals, reverse=True):
        stack = [start]
        path: set[int] = set()  # entered and not left: a link to one of these closes a circle
        while stack:
            post = stack[-1]
            targets = [t for t in links.originals.get(post, ()) if t not in path]
            if post in found or post in path:
                stack.pop()
                if post in path:
                    path.remove(post)
                    found[post] = _ends(targets, found, usable)
            else:
                path.add(post)
                stack += [t for t in targets if t in links.originals and t not in found]
    return found


def _ends(
    targets: Iterable[int], found: dict[int, tuple[int, ...]], usable: Container[int]
) -> tuple[int, ...]:
    """Return where links to these questions lead in the end, each question once."""
    ends: dict[int, None] = {}
    for target in targets:
        further = found.get(target, ())
        ends.update(dict.fromkeys(further or ((target,) if target in usable else ())))
    return tuple(ends)
