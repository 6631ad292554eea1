#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""lint.py CHECK ROOT BUILD: one check over the tracked files.

Prints a complaint a line. Exit 0 none, 1 some, 77 could not check (the last line says why).
"""
import sys

import calls
import edges
import layout
import names
import params
import text
import tools
import uses
from tree import Tree

# check: (what finds complaints, the rules of allow.txt that it honours)
CHECKS = {
    'text': (text.check, text.RULES),
    'calls': (calls.check, calls.RULES),
    'layout': (layout.check, layout.RULES),
    'edges': (edges.check, edges.RULES),
    'params': (params.check, params.RULES),
    'names': (names.check, names.RULES),
    'uses': (uses.check, uses.RULES),
    'format': (tools.check_format, ()),
    'headers': (tools.check_headers, ()),
    'clang-tidy': (tools.check_clang_tidy, ()),
}


def complaints(name, tree):
    check, rules = CHECKS[name]
    yield from check(tree)
    yield from tree.allow.stale(rules)


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in CHECKS:
        sys.exit(f'usage: lint.py {"|".join(CHECKS)} ROOT BUILD')
    found = 0
    for complaint in complaints(sys.argv[1], Tree(sys.argv[2], sys.argv[3])):
        print(complaint, flush=True)
        found += 1
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
