# SPDX-License-Identifier: Apache-2.0
"""uses: a function that a header shows, and that one file uses, is that file's own: static."""
import collections
import os
import re

from tree import LAYERS, code_of

RULES = ()
# A declaration at the start of a line. What macros declare is not seen.
SHOWN = re.compile(r'^(?!static\b|typedef\b)\w[\w \t*]*?\b([a-z]\w*)\([^;{}]*\)[^;{}]*;', re.M)
WORD = re.compile(r'\b[a-z]\w*\b')


def check(tree):
    code = {file: code_of(tree.text(file)) for file in tree.ending('.c', '.h', '.cc', '.def')}
    users = collections.defaultdict(collections.Counter)
    for file, text in code.items():
        for word in WORD.findall(text):
            users[word][file] += 1
    for file, text in code.items():
        if not file.endswith('.h') or '/include/' in file or \
                not file.startswith((*LAYERS, 'tests')):
            continue    # those in include/ are everybody's, and the benches' names are made
        for match in SHOWN.finditer(text):
            name = match.group(1)
            others = [f for f, cnt in users[name].items() if f != file or cnt > 1]
            if len(others) < 2:
                number = text.count('\n', 0, match.start()) + 1
                yield (f'{file}:{number}: {name}: only {os.path.basename((others or [file])[0])} '
                       f'names it: static there, or nowhere')
