#!/usr/bin/env python3
"""Checks that include arrows run one way.

    core <- autograd <- ops <- models/nn <- {models, sparsity} <- trainers

cuda includes core and the headers of ops itself (not of its folders); bench and tests include all, nothing includes
them. Every include of this tree is written <coppice/...>, except among tests and benchmarks.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What each room may include beside itself.
ALLOWED = {
    "core": set(),
    "autograd": {"core"},
    "ops": {"core", "autograd"},
    "cuda": {"core", "ops"},
    "models/nn": {"core", "autograd", "ops"},
    "models": {"core", "autograd", "ops", "models/nn"},
    "sparsity": {"core", "autograd", "ops", "models/nn"},
    "trainers": {"core", "autograd", "ops", "models/nn", "models", "sparsity"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def room_of(path):
    parts = pathlib.PurePosixPath(path).parts
    if parts[:2] == ("models", "nn"):
        return "models/nn"
    return parts[0]


def faults_of(path):
    room = room_of(path)
    for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, target = match.groups()
        where = f"{path}:{number}"
        if quote == '"':
            yield f'{where}: write <coppice/...> instead of "{target}"'
            continue
        if not target.startswith("coppice/"):
            continue
        target = target.removeprefix("coppice/")
        if not (ROOT / target).is_file():
            yield f"{where}: there is no {target}"
        elif room_of(target) != room and room_of(target) not in ALLOWED[room]:
            yield f"{where}: {room} must not include {room_of(target)} ({target})"
        elif room == "cuda" and room_of(target) == "ops" and len(pathlib.PurePosixPath(target).parts) > 2:
            yield f"{where}: cuda may include only headers that lie directly in ops ({target})"


def main():
    files = sorted(
        path.relative_to(ROOT).as_posix()
        for top in {room.split("/")[0] for room in ALLOWED}
        for path in (ROOT / top).rglob("*")
        if path.suffix in {".h", ".cpp", ".cu", ".cuh"}
    )
    faults = [fault for path in files for fault in faults_of(path)]
    for fault in faults:
        print(f"check-arrows: {fault}", file=sys.stderr)
    if not faults:
        print(f"check-arrows: the includes of {len(files)} files run one way")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
