# SPDX-License-Identifier: Apache-2.0
"""The files of the project, for the checks beside this one."""

import os
import pathlib
import subprocess


def files(root):
    """Paths below root that are or could become part of the repository, sorted; relative."""
    root = pathlib.Path(root)
    if (root / ".git").exists():
        listed = subprocess.run(
            ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True, capture_output=True).stdout.decode().split("\0")
        names = {name for name in listed if name and (root / name).is_file()}
    else:
        names = set()
        for directory, below, found in os.walk(root):
            below[:] = [name for name in below if not name.startswith(("build", ".git", ".cache"))]
            names.update(os.path.relpath(os.path.join(directory, name), root) for name in found)
    return sorted(pathlib.PurePosixPath(name) for name in names)


def text(root, name):
    return (pathlib.Path(root) / name).read_text(encoding="utf-8")


def is_cpp(name):
    return name.suffix in (".h", ".cc")


def shebang(root, name):
    with open(pathlib.Path(root) / name, "rb") as file:
        first = file.readline(100)
    return first.decode("utf-8", "replace").strip() if first.startswith(b"#!") else ""


def is_shell(root, name):
    return name.suffix == ".sh" or shebang(root, name).endswith(("bash", "/sh", "busybox sh"))


def report(check, errors, counted):
    """Prints the findings; the exit status."""
    for error in errors:
        print(error)
    print(f"{check}: {counted}, {len(errors)} finding{'s' if len(errors) != 1 else ''}")
    return 1 if errors else 0
