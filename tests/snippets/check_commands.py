#!/usr/bin/env python3
"""Checks what the documents tell a reader to type or to open: commands, their options, scripts, and links.

Usage: check_commands.py PROGRAM SOURCE_DIR

Each `coppice …` line of a code block must begin with commands that the program knows, and use options that their
--help lists. Scripts that are named, and files that are linked to, must be there.
"""
import pathlib
import re
import shlex
import subprocess
import sys


def help_of(program, words):
    run = subprocess.run([program, *words, "--help"], capture_output=True, text=True, check=False)
    return run.stdout if run.returncode == 0 else None


def check_command(program, line):
    """What is wrong with `coppice …`; empty if nothing is."""
    try:
        words = shlex.split(line, comments=True)[1:]
    except ValueError as error:
        return str(error)
    words = words[: words.index("|")] if "|" in words else words
    path = []
    text = help_of(program, [])
    while words and not words[0].startswith("-") and re.search(rf"^  {re.escape(words[0])}\b", text, re.MULTILINE):
        path.append(words.pop(0))
        text = help_of(program, path)
        if text is None:
            return f"{' '.join(path)} has no help"
    if "\nSubcommands:" in text and not (words and words[0].startswith("-")):
        return "there is no such command"
    options = [word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    return "".join(f" no option {option}" for option in options if not re.search(rf"(^|[\s,]){option}\b", text))


def commands(lines):
    inside = False
    for number, line in enumerate(lines, 1):
        if line.strip().startswith("```"):
            inside = not inside and line.strip() in ("```", "```sh", "```text")
        elif inside and line.strip().startswith("coppice "):
            yield number, line.strip()


def main():
    program, source = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    problems = []
    checked = 0
    for path in sorted([*source.glob("*.md"), *source.glob("docs/**/*.md"), *source.glob("trainers/**/*.md")]):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(source)
        for number, line in commands(text.splitlines()):
            checked += 1
            if problem := check_command(program, line):
                problems.append(f"{name}:{number}: {line}: {problem}")
        for script in sorted(set(re.findall(r"\bscripts/[\w.-]+\.(?:sh|py)", text))):
            if not (source / script).exists():
                problems.append(f"{name}: there is no {script}")
        prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
        for link in sorted(set(re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose))):
            if not (path.parent / link).exists():
                problems.append(f"{name}: links to {link}, which is not there")
    print("\n".join(problems))
    if problems or checked == 0:
        sys.exit(f"check_commands: {len(problems)} problems in {checked} commands")
    print(f"check_commands: {checked} commands, and every script and link, are there")


if __name__ == "__main__":
    main()
