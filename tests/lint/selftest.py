#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""selftest.py ROOT BUILD: shows that every check can refuse.

Goal:   a check that has gone blind fails here, not silently.
Method: a small sound tree passes every check; then each row of BAD changes that tree in one way,
        and the check it names must complain in the words it gives.
"""
import json
import os
import shutil
import sys
import tempfile

from lint import CHECKS, complaints
from tree import Tree

C = '/* SPDX-License-Identifier: Apache-2.0 */\n'
PY = '# SPDX-License-Identifier: Apache-2.0\n'

GOOD = {
    'README.md': 'The tiles: kvs_tile.\n',
    'cache/README.md': 'Words.\n',
    'cache/meson.build': PY + "files('ring.c', 'kvs_tile.c')\n",
    'cache/ring.h': C + '#include <stddef.h>\n\nsize_t ring_len(const char *text);\n',
    'cache/ring.c': C + """#include "ring.h"

#include <string.h>

size_t
ring_len(const char *text)
{
\treturn strlen(text);
}
""",
    'cache/kvs_tile.c': C + """/* R1: release; pairs with A1 in ring_get. */
int ring_put;
/* A1: acquire; pairs with R1 in ring_put. */
int ring_get;
""",
    'client/include/microburst/mb.h': C + 'int mb_open(void);\n',
    'client/README.md': 'Words.\n',
    'configs/README.md': 'Words.\n',
    'configs/params.def': C + 'PARAM(kvs, period, dur, "1ms", 1, 2, "ns", live, "why")\n',
    'configs/default.conf': '[kvs]\n#period = 1ms\n',
    'configs/metrics.def': C + 'METRIC(kvs, key_got, "", "why")\n',
    'RUNBOOK.md': '`kvs_key_got`, `kvs.period`\n',
    'tests/README.md': 'Words.\n',
    'tests/meson.build': PY + "foreach name : ['ring', 'kvs_tile']\n",
    'tests/ring_test.c': C + 'int ring_len(void);\nint (*ring_test)(void) = ring_len;\n',
    'tests/kvs_tile_test.c': C + 'int kvs_tile_test;\n',
}

RING = GOOD['cache/ring.c']
TILE = GOOD['cache/kvs_tile.c']

# check, what the file that follows is changed into (None: it is missing), what must be said
BAD = [
    ('text', 'cache/ring.c', RING + '/* ' + 'x' * 100 + ' */\n', 'longer than 100 columns'),
    ('text', 'cache/ring.c', RING + 'int a; \n', 'blanks at the end'),
    ('text', 'cache/ring.c', RING + '\n', 'empty line at the end'),
    ('text', 'cache/ring.c', RING[:-1], 'does not end'),
    ('text', 'cache/ring.c', RING + '        int a;\n', 'spaces where the indent is tabs'),
    ('text', 'cache/ring.c', RING + ' \tint a;\n', 'a tab after a space'),
    ('text', 'cache/meson.build', PY + "\tfiles('ring.c')\n", 'a tab where the indent is spaces'),
    ('text', 'cache/ring.c', RING + '/* TO' 'DO */\n', 'finish it'),
    ('text', 'cache/ring.c', RING + '/* FIX' 'ME later */\n', 'finish it'),
    ('text', 'cache/ring.c', RING + 'char a[] = "/ho' 'me/me/x";\n', 'a path of one machine'),
    ('text', 'cache/ring.c', RING[len(C):], 'the first line is'),
    ('text', 'cache/meson.build', "files('ring.c')\n", 'the first line is'),
    ('text', 'cache/tool', '#!/bin/sh\necho\n', 'the first line is'),
    ('text', 'cache/ring.c', RING + 'int a;\n' * 700, 'the limit is 700'),
    ('text', 'tests/lint/allow.txt', 'path cache/ring.c once needed\n', 'nothing needs'),

    ('calls', 'cache/ring.c', RING + 'void f(void) { strcpy(a, b); }\n', 'strcpy'),
    ('calls', 'tests/ring_test.c', C + 'int x = rand();\n', 'not from our seed'),
    ('calls', 'cache/ring.c', RING + 'int a = atoi("3");\n', 'atoi'),
    ('calls', 'cache/ring.c', RING + 'void *p = malloc(3);\n', 'allow.txt'),
    ('calls', 'cache/ring.c', RING + 'void f(void *p) { free(p); }\n', 'allow.txt'),
    ('calls', 'tests/lint/allow.txt', 'heap cache/ring.c start-up only\n', 'nothing needs'),

    ('layout', 'cache/README.md', None, 'cache: no README.md'),
    ('layout', 'tests/README.md', None, 'tests: no README.md'),
    ('layout', 'README.md', 'No tile here.\n', 'do not name kvs_tile'),
    ('layout', 'cache/meson.build', PY + "files('kvs_tile.c')\n", 'cache/ring.c: no meson.build'),
    ('layout', 'tests/meson.build', PY + "'kvs_tile'\n", 'tests/ring_test.c: no meson.build'),
    ('layout', 'tests/ring_test.c', None, 'ring_test.c'),
    ('layout', 'tests/lint/allow.txt', 'untested cache/ring.c\n', 'needs a reason'),
    ('layout', 'tests/lint/allow.txt', 'untested cache/other.c because\n', 'nothing needs'),

    ('edges', 'cache/kvs_tile.c', TILE.replace('A1: acquire', 'An acquire'), 'nowhere near'),
    ('edges', 'cache/kvs_tile.c', TILE.replace('pairs with R1', 'and R1'), 'does not say what'),
    ('edges', 'cache/kvs_tile.c', TILE.replace('pairs with R1', 'pairs with R2'), 'nowhere near'),
    ('edges', 'cache/kvs_tile.c', TILE.replace('with R1', 'with A1'), 'not pair with it'),
    ('edges', 'cache/kvs_tile.c', TILE.replace('in ring_get', 'in gone'), 'is in gone, but'),
    ('edges', 'cache/ring.c', RING + 'int a = memory_order_release;\n', 'without a label'),

    ('params', 'configs/default.conf', '[kvs]\n', 'does not show kvs.period'),
    ('params', 'configs/default.conf', None, 'does not show kvs.period'),
    ('params', 'configs/default.conf', '[kvs]\nperiod = 1\nother = 2\n', 'kvs.other is no row'),
    ('params', 'configs/params.def', C, 'no PARAM row'),
    ('params', 'RUNBOOK.md', '`kvs_key_lost`\n', 'no counter kvs_key_lost'),
    ('params', 'RUNBOOK.md', '`kvs.ticks = 3`\n', 'no parameter kvs.ticks'),

    ('names', 'cache/README.md', 'See `rings.c`.\n', 'no file rings.c'),
    ('names', 'cache/ring.c', RING + '/* As rings.h says. */\n', 'no file rings.h'),
    ('names', 'cache/README.md', 'I1 to I3 in `ring.c`.\n', 'other rules I than 1 to 3'),
    ('names', 'cache/ring.c', RING + '/*\n * I1  a\n * I2  b\n */\n/* I1..I3 (ring.c) */\n',
     'other rules I than 1 to 3'),

    ('uses', 'tests/ring_test.c', C + 'int other;\n', 'ring_len: only ring.c names it'),

    ('format', 'cache/ring.c', RING.replace('size_t\n', 'size_t '), 'not as clang-format'),

    ('headers', 'cache/ring.h', C + 'size_t ring_len(void);\n', 'does not compile alone as C'),
    ('headers', 'cache/ring.h', C + 'struct ring { int a; };\n', 'does not compile alone as C'),
    ('headers', 'client/include/microburst/mb.h', C + '#include "ring.h"\n', 'alone as C11'),
    ('headers', 'client/include/microburst/mb.h', C + 'int mb_open(int new);\n', 'as C++11'),

    ('clang-tidy', 'cache/ring.c',
     RING.replace('return strlen(text)', 'char *none = 0;\n\tif (text == 0)\n\t\t*none = 1;\n'
                                         '\treturn strlen(text)'), 'null pointer'),
]


def plant(root, build, config_root, files):
    """Writes a tree and the compile commands of its .c files; returns it."""
    shutil.rmtree(root, ignore_errors=True)
    for file, text in files.items():
        os.makedirs(os.path.dirname(os.path.join(root, file)), exist_ok=True)
        with open(os.path.join(root, file), 'w', encoding='utf-8') as f:
            f.write(text)
    for config in ('.clang-format', '.clang-tidy'):
        shutil.copy(os.path.join(config_root, config), root)
    os.makedirs(build, exist_ok=True)
    with open(os.path.join(build, 'compile_commands.json'), 'w', encoding='utf-8') as f:
        json.dump([{'directory': build, 'file': os.path.join(root, file),
                    'command': f'gcc -iquote{root}/{os.path.dirname(file)} -c {root}/{file}'}
                   for file in files if file.endswith('.c')], f)
    return Tree(root, build)


def main():
    config_root = sys.argv[1]
    wrong = 0
    with tempfile.TemporaryDirectory() as top:
        root, build = os.path.join(top, 'tree'), os.path.join(top, 'build')
        for check in CHECKS:
            said = list(complaints(check, plant(root, build, config_root, GOOD)))
            if said:
                print(f'{check} refuses the sound tree:', *said, sep='\n    ')
                wrong += 1
            if check not in (row[0] for row in BAD):
                print(f'{check} has no bad sample')
                wrong += 1
        for check, file, text, words in BAD:
            files = {**GOOD, file: text}
            tree = plant(root, build, config_root,
                         {name: text for name, text in files.items() if text is not None})
            said = list(complaints(check, tree))
            if not any(words in line for line in said):
                print(f'{check} does not say "{words}" of a bad {file}, but:', *said, sep='\n    ')
                wrong += 1
    print(f'{len(BAD)} bad samples, {wrong} not noticed')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
