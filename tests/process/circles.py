"""Circles of calls between C source files: files that call each other round and round.

A file calls another when its text, without comments and strings, names a function or table that is
not static and that exactly one other file defines. Needs Universal Ctags.
"""

import re
import subprocess
from collections import Counter


def _code(path):
    text = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.S)
    return re.sub(r'"(?:\\.|[^"\\\n])*"|//[^\n]*', " ", text)


def _defined(files):
    """(file, name) of each function and table that other files can see."""
    listed = subprocess.run(["ctags", "-x", "--c-kinds=fv", "--extras=-F", "--_xformat=%F|%N",
                             *map(str, files)], check=True, capture_output=True, text=True).stdout
    return [tuple(line.split("|")) for line in listed.splitlines()]


def calls(folder):
    """{file: {file that it calls: names}} of the C files below a folder."""
    files = sorted(folder.rglob("*.c"))
    by_text = {str(path): path for path in files}
    pairs = set(_defined(files))
    owners = Counter(name for _, name in pairs)
    owner_of = {name: by_text[file] for file, name in pairs if owners[name] == 1}
    edges = {path: {} for path in files}
    for path in files:
        code = _code(path)
        for name in set(re.findall(r"(?<![.>\w])[a-z_]\w+", code)) & set(owner_of):
            is_own = re.search(rf"^static\b[^;{{}}]*\b{name}\b", code, re.M)
            if owner_of[name] != path and not is_own:
                edges[path].setdefault(owner_of[name], set()).add(name)
    return edges


def _reached(edges, start):
    seen, waiting = set(), [start]
    while waiting:
        for other in edges[waiting.pop()]:
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen


def find(edges):
    """The circles, largest first, each a sorted list of files."""
    reached = {path: _reached(edges, path) for path in edges}
    circles = {frozenset(other for other in reached[path] if path in reached[other])
               for path in edges if path in reached[path]}
    return sorted(map(sorted, circles), key=len, reverse=True)


def explain(edges, circle):
    """A line for each call inside a circle."""
    return "\n".join(f"{path.name} -> {other.name}: {', '.join(sorted(edges[path][other]))}"
                     for path in circle for other in sorted(edges[path]) if other in circle)
