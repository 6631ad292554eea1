# SPDX-License-Identifier: Apache-2.0
"""The tracked files of a checkout, and what the checks ask about them."""
import fnmatch
import os
import re
import subprocess

LAYERS = ('dataplane', 'lattice', 'cache', 'executor', 'client', 'gate', 'control')


class Tree:
    """Tracked files of `root`; of a tree that is no git checkout (a tarball): all files."""

    def __init__(self, root, build=None):
        self.root, self.build = root, build
        self.files = sorted(f for f in tracked(root) if os.path.isfile(os.path.join(root, f)))
        self.allow = Allow(self)
        self._text = {}

    def path(self, file):
        return os.path.join(self.root, file)

    def text(self, file):
        if file not in self._text:
            with open(self.path(file), encoding='utf-8', errors='replace') as f:
                self._text[file] = f.read()
        return self._text[file]

    def ending(self, *ends):
        return [f for f in self.files if f.endswith(ends)]

    def sources(self):
        """What people write as code: C, tables, scripts, build files."""
        return [f for f in self.files
                if f.endswith(('.c', '.h', '.def', '.py', '.sh')) or is_script(self, f)
                or os.path.basename(f) in ('meson.build', 'meson_options.txt', 'Makefile')]


class Allow:
    """allow.txt: exceptions, each with its reason: `rule path-pattern reason`."""

    FILE = 'tests/lint/allow.txt'

    def __init__(self, tree):
        self.rows, self.bad, self.used = [], [], set()
        if self.FILE not in tree.files:
            return
        with open(tree.path(self.FILE), encoding='utf-8') as f:
            for number, line in enumerate(f, 1):
                words = line.split(None, 2)
                if not words or words[0].startswith('#'):
                    continue
                if len(words) < 3:
                    self.bad.append(f'{self.FILE}:{number}: an exception needs a reason')
                    continue
                self.rows.append((words[0], words[1], number))

    def __call__(self, rule, file):
        hits = [row for row in self.rows if row[0] == rule and fnmatch.fnmatch(file, row[1])]
        self.used.update(hits)
        return bool(hits)

    def stale(self, rules):
        """To be asked last: exceptions of these rules that nothing needed."""
        for rule, pattern, number in self.rows:
            if rule in rules and (rule, pattern, number) not in self.used:
                yield f'{self.FILE}:{number}: nothing needs {rule} {pattern} any more'


def tracked(root):
    # The checkout may belong to someone else (a container's mount): reading names is safe.
    git = subprocess.run(['git', '-c', 'safe.directory=*', '-C', root, 'ls-files', '-z'],
                         capture_output=True, text=True, check=False) if os.path.exists(
                             os.path.join(root, '.git')) else None
    if git is not None and git.returncode == 0:
        return [f for f in git.stdout.split('\0') if f]
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if f != '.git' and f != '__pycache__'
                      and not f.startswith('build')]
        found += [os.path.relpath(os.path.join(folder, f), root) for f in files]
    return found


def is_script(tree, file):
    if '.' in os.path.basename(file):
        return False
    with open(tree.path(file), 'rb') as f:
        return f.read(2) == b'#!'


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_of(text):
    """C without comments and without what strings say; lines stay where they were."""
    def blank(match):
        kept = '""' if match.group().startswith('"') else ' '
        return kept + '\n' * match.group().count('\n')
    return TOKEN.sub(blank, text)


def comments_of(text):
    """(line number, text) of each C comment."""
    for match in TOKEN.finditer(text):
        if match.group().startswith('/'):
            yield text.count('\n', 0, match.start()) + 1, match.group()
