# SPDX-License-Identifier: Apache-2.0
"""layout: every folder explained, every source built, every module tested, every tile named."""
import os
import re

from tree import LAYERS

RULES = ('untested', 'unlisted')


def check(tree):
    yield from tree.allow.bad
    yield from folders(tree)
    yield from tiles(tree)
    yield from built(tree)
    yield from tested(tree)


def parents(folder):
    """The folder, its parent, ... up to the root, which is ''."""
    while folder:
        yield folder
        folder = os.path.dirname(folder)
    yield ''


def folders(tree):
    """A folder with sources has a README.md; below tests/ and include/ a parent's will do."""
    seen = {os.path.dirname(f) for f in tree.ending('.c', '.h', '.def', '.py', '.sh')}
    for folder in sorted(seen):
        near = [folder]
        if '/include' in folder or folder.startswith('tests/'):
            near = [p for p in parents(folder) if p]
        if not any(os.path.join(p, 'README.md') in tree.files for p in near):
            yield f'{folder or "."}: no README.md'


def tiles(tree):
    """Each tile, which is each thread, is in the README of the root or of its folder."""
    for file in tree.ending('_tile.c'):
        name = os.path.basename(file)[:-len('.c')]
        readmes = [os.path.join(os.path.dirname(file), 'README.md'), 'README.md']
        if not any(re.search(rf'\b{name}\b', tree.text(r)) for r in readmes if r in tree.files):
            yield f'{file}: {" and ".join(readmes)} do not name {name}'


def built(tree):
    """Each .c is in the meson.build of its folder or of one above; tests may drop the ending."""
    for file in tree.ending('.c'):
        name = os.path.basename(file)
        names = {name, name[:-len('.c')], re.sub(r'_(test|fuzz)\.c$', '', name)}
        wanted = re.compile(r"'(?:[^'\n]*/)?(?:" + '|'.join(map(re.escape, names)) + r")'")
        builds = [os.path.join(p, 'meson.build') for p in parents(os.path.dirname(file))]
        if not any(wanted.search(tree.text(b)) for b in builds if b in tree.files) \
                and not tree.allow('unlisted', file):
            yield f'{file}: no meson.build lists it'


def tested(tree):
    """A module of a layer has tests/**/<module>_*.c."""
    tests = [os.path.basename(f) for f in tree.ending('.c') if f.startswith('tests/')]
    for file in tree.ending('.c'):
        stem = os.path.basename(file)[:-len('.c')]
        if file.startswith(LAYERS) and not any(t.startswith(stem + '_') for t in tests) \
                and not tree.allow('untested', file):
            yield f'{file}: no tests/**/{stem}_test.c'
