#!/usr/bin/env python3
"""Holds every dependency in Cargo.lock against deny.toml's licences and sources.

The same rules as `cargo deny check licenses sources`, for machines without
cargo-deny. Prints what breaks them and exits 1.
"""

import json
import re
import subprocess
import sys
import tomllib

with open("deny.toml", "rb") as file:
    rules = tomllib.load(file)
allowed = set(rules["licenses"]["allow"])
banned = {entry["name"] for entry in rules["bans"]["deny"]}


def satisfied(expression):
    """Whether an SPDX expression can be met by the allowed licences alone."""
    expression = re.sub(r"\b/\b", " OR ", expression.replace("/", " OR "))
    tokens = re.findall(r"\(|\)|[A-Za-z0-9.+-]+", expression)
    at = 0

    def either():
        nonlocal at
        value = both()
        while at < len(tokens) and tokens[at] == "OR":
            at += 1
            value = both() or value
        return value

    def both():
        nonlocal at
        value = one()
        while at < len(tokens) and tokens[at] == "AND":
            at += 1
            value = one() and value
        return value

    def one():
        nonlocal at
        if tokens[at] == "(":
            at += 1
            value = either()
            at += 1
            return value
        name = tokens[at]
        at += 1
        if at < len(tokens) and tokens[at] == "WITH":
            name = f"{name} WITH {tokens[at + 1]}"
            at += 2
        return name in allowed

    return either()


metadata = json.loads(
    subprocess.check_output(["cargo", "metadata", "--format-version", "1", "--locked"])
)
bad = []
for package in metadata["packages"]:
    name = f"{package['name']} {package['version']}"
    source = package["source"]
    if source is not None and not source.startswith("registry+"):
        bad.append(f"{name}: comes from {source}, not from a registry")
    if package["name"] in banned:
        bad.append(f"{name}: banned")
    if not package["license"] or not satisfied(package["license"]):
        bad.append(f"{name}: licence {package['license']!r} is not allowed")
for line in bad:
    print(line, file=sys.stderr)
print(f"licences: {len(metadata['packages'])} packages, {len(bad)} refused")
sys.exit(1 if bad else 0)
