# SPDX-License-Identifier: Apache-2.0
"""names: files that prose names are there, and so are the rules of them that it counts."""
import os
import re

RULES = ()

COMMENT = re.compile(r'/\*.*?\*/', re.S)
FILE = re.compile(r'(?<![\w/.<>-])([a-z][a-z0-9_]*\.(?:[ch]|def))\b')
# As in `I1 to I5 in ring.h`, or `I1..I5 (ring.h)`.
SPAN = re.compile(r'\b([A-Z])(\d+)(?: to |\.\.)\1(\d+)(?: in| \() ?'
                  r'`?([a-z][a-z0-9_]*\.[ch])\b')


def check(tree):
    at = {}
    for file in tree.files:
        at.setdefault(os.path.basename(file), []).append(file)
    for file in tree.ending('.md', '.c', '.h', '.def'):
        text = tree.text(file)
        for begin, prose in parts(file, text):
            for match in FILE.finditer(prose):
                if match.group(1) not in at:
                    yield f'{line(file, text, begin + match.start())}: there is no file ' \
                          f'{match.group(1)}'
            for match in SPAN.finditer(prose):
                letter, first, last, name = match.groups()
                rules = {number for other in at.get(name, ())
                         for number in rules_of(tree.text(other), letter)}
                if rules != set(range(int(first), int(last) + 1)):
                    yield f'{line(file, text, begin + match.start())}: {name} has other rules ' \
                          f'{letter} than {first} to {last}'


def parts(file, text):
    """Where prose begins, and what it is: of code its comments."""
    if file.endswith('.md'):
        return [(0, text)]
    return [(match.start(), match.group()) for match in COMMENT.finditer(text)]


def rules_of(text, letter):
    """The numbers of the rules that a file states: a line of a comment that begins with one."""
    return {int(number) for number in re.findall(rf'^ ?\*\s+{letter}(\d+)\b', text, re.M)}


def line(file, text, at):
    return f'{file}:{text.count(chr(10), 0, at) + 1}'
