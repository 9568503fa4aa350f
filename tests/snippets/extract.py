#!/usr/bin/env python3
"""Takes the C++ examples out of the documents and public headers, one file each, for tests/snippets/*_test.cpp.

Usage: extract.py SOURCE_DIR OUT_DIR

An example is a ```cpp block of a Markdown file, or lines of a header's documentation that are indented by four spaces
more and read as C++. The n-th one of docs/autograd.md becomes OUT_DIR/docs/autograd.md.n. Fails when one of them is
included by no test, or a test includes one that is not there. Prints the files it has read, for the build to watch.
"""
import pathlib
import re
import sys

ROOMS = ["core", "autograd", "ops", "cuda", "models", "sparsity", "trainers"]


def markdown_examples(lines):
    """(first line number, lines) of each ```cpp block."""
    begin = None
    for number, line in enumerate(lines, 1):
        fence = line.strip()
        if begin is None and fence == "```cpp":
            begin = number
        elif begin is not None and fence == "```":
            yield begin + 1, lines[begin : number - 1]
            begin = None
    if begin is not None:
        sys.exit(f"extract: the block at line {begin} does not end")


def header_examples(lines):
    """The same for the indented lines of /// comments; formulas and drawings are not C++."""
    block = []
    for number, line in enumerate(lines + [""], 1):
        match = re.match(r"\s*///     (.*)", line)
        if match:
            block.append((number, match.group(1)))
            continue
        code = [text for _, text in block]
        if code and "".join(code).isascii() and any(re.search(r"[;{]\s*(//.*)?$", text) for text in code):
            yield block[0][0], code
        block = []


def main():
    source, out = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    documents = sorted([*source.glob("*.md"), *source.glob("docs/**/*.md")])
    headers = sorted(path for room in ROOMS for path in (source / room).rglob("*.h"))
    examples = set()
    watched = []
    for path in documents + headers:
        name = path.relative_to(source).as_posix()
        lines = path.read_text(encoding="utf-8").splitlines()
        found = list((markdown_examples if path.suffix == ".md" else header_examples)(lines))
        if found or path.suffix == ".md":
            watched.append(name)
        for index, (number, code) in enumerate(found, 1):
            target = out / f"{name}.{index}"
            examples.add(f"{name}.{index}")
            text = f'#line {number} "{name}"\n' + "\n".join(code) + "\n"
            if not target.exists() or target.read_text(encoding="utf-8") != text:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
    included = set()
    for test in sorted(source.glob("tests/**/*_test.cpp")):
        included |= set(re.findall(r'#include "snippets/(.*)"', test.read_text(encoding="utf-8")))
    if untested := sorted(examples - included):
        sys.exit(f"extract: no test of tests/snippets includes {', '.join(untested)}")
    if missing := sorted(included - examples):
        sys.exit(f"extract: tests include {', '.join(missing)}, which no document has")
    print(";".join(watched))


if __name__ == "__main__":
    main()
