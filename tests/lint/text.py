# SPDX-License-Identifier: Apache-2.0
"""tidy: what the text of a source must look like, whatever the language."""
import re

COLUMN_MAX = 100
LINE_MAX = 700          # a file is the home of one idea; the median is 100 to 300 lines
TEST_LINE_MAX = 1000    # a test file is as long as its module has behaviours
SPDX = 'SPDX-License-Identifier: Apache-2.0'

# Written so that these lines do not match themselves.
UNFINISHED = re.compile(r'\b(TO' r'DO|FIX' r'ME|XX' r'X|HA' r'CK)\b')
OWN_PATH = re.compile(r'(?<![\w.])/(home|root|work|Users|tmp/wt)/\w')
RULES = ('path',)


def check(tree):
    for file in tree.sources():
        text = tree.text(file)
        lines = text.split('\n')
        if lines[-1] != '':
            yield f'{file}:{len(lines)}: the last line does not end'
        elif len(lines) > 1 and lines[-2] == '':
            yield f'{file}:{len(lines) - 1}: an empty line at the end'
        limit = TEST_LINE_MAX if file.startswith('tests/') else LINE_MAX
        if len(lines) > limit:
            yield f'{file}: {len(lines)} lines; the limit is {limit}: which ideas can part?'
        yield from first_line(file, lines)
        for number, line in enumerate(lines, 1):
            for complaint in line_complaints(tree, file, line):
                yield f'{file}:{number}: {complaint}'


def first_line(file, lines):
    first = lines[1] if lines[0].startswith('#!') and len(lines) > 1 else lines[0]
    want = f'/* {SPDX} */' if file.endswith(('.c', '.h', '.def')) else f'# {SPDX}'
    if first != want:
        yield f'{file}:1: the first line is: {want}'


def line_complaints(tree, file, line):
    if len(line.expandtabs(8)) > COLUMN_MAX:
        yield f'longer than {COLUMN_MAX} columns'
    if line != line.rstrip():
        yield 'blanks at the end of the line'
    if ' \t' in line[:len(line) - len(line.lstrip())]:
        yield 'a tab after a space'
    if '\t' in line and file.endswith(('.py', 'meson.build')):
        yield 'a tab where the indent is spaces'
    if file.endswith(('.c', '.h')) and line.startswith('        '):
        yield 'spaces where the indent is tabs'
    found = UNFINISHED.search(line)
    if found:
        yield f'{found.group()}: finish it, or write down what is missing in the README'
    if OWN_PATH.search(line) and not tree.allow('path', file):
        yield 'a path of one machine'
