# SPDX-License-Identifier: Apache-2.0
"""format, headers, clang-tidy: the checks that ask a compiler."""
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

JOBS = 2
GCC_ONLY = '-mmemset-strategy='  # what clang, so clang-tidy, refuses in gcc's compile commands
TIDY_SECONDS = 300      # a run that needs longer says so as a skip; the next one goes on from there


def run(command, **kwargs):
    return subprocess.run(command, capture_output=True, text=True, errors='replace', check=False,
                          stdin=kwargs.pop('stdin', subprocess.DEVNULL), **kwargs)


def need(tool):
    if shutil.which(tool) is None:
        print(f'{tool} is not installed')
        sys.exit(77)
    return tool


def side_by_side(function, items):
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for complaints in pool.map(function, items):
            yield from complaints


# -- format ---------------------------------------------------------------------------------------

def check_format(tree):
    tool = need('clang-format-14')
    files = tree.ending('.c', '.h')
    if not files:
        return
    wrong = run([tool, '--dry-run', '-Werror', *files], cwd=tree.root)
    first = {}
    for file, line in re.findall(r'^(.+?):(\d+):\d+: error:', wrong.stderr, re.M):
        first.setdefault(file, line)
    for file, line in first.items():
        yield f'{file}:{line}: from here on not as clang-format has it: make fmt'
    if wrong.returncode != 0 and 'error:' not in wrong.stderr:
        yield f'clang-format failed: {wrong.stderr.strip()[:400]}'


# -- what meson compiles, and how -----------------------------------------------------------------

def commands(tree):
    """{file: words of its compile command}, of the C sources of the tree that meson compiles."""
    with open(os.path.join(tree.build, 'compile_commands.json'), encoding='utf-8') as f:
        entries = json.load(f)
    found = {}
    for entry in entries:
        file = os.path.relpath(os.path.join(entry['directory'], entry['file']), tree.root)
        found.setdefault(file, shlex.split(entry['command']))
    return {file: words for file, words in found.items()
            if file.endswith('.c') and file in tree.files}


def commands_of_clang(tree):
    """A folder with the compile commands as clang takes them."""
    folder = os.path.join(tree.build, 'clang-tidy-commands')
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(tree.build, 'compile_commands.json'), encoding='utf-8') as f:
        entries = json.load(f)
    for entry in entries:
        words = shlex.split(entry['command'])
        entry['command'] = shlex.join(w for w in words if not w.startswith(GCC_ONLY))
    with open(os.path.join(folder, 'compile_commands.json'), 'w', encoding='utf-8') as f:
        json.dump(entries, f)
    return folder


def include_flags(words):
    """The part of a compile command that says where headers are found and how they are read."""
    flags = []
    for i, word in enumerate(words):
        if word in ('-include', '-isystem', '-idirafter', '-I', '-iquote'):
            flags += words[i:i + 2]
        elif re.match(r'-(I|D|U|iquote|isystem|m|std=)', word):
            flags.append(word)
    return flags


# -- headers --------------------------------------------------------------------------------------

def check_headers(tree):
    """Each header compiles alone, with the include folders of the sources beside it. A public one
    (include/microburst/) compiles with nothing but the public ones, as C11 and as C++11."""
    compile_of = commands(tree)
    public = sorted({f[:f.index('include/') + len('include')] for f in tree.ending('.h')
                     if '/include/microburst/' in f'/{f}'})
    public_flags = [f'-I{tree.path(folder)}' for folder in public]
    strict = ['-Wall', '-Wextra', '-Werror', '-pedantic-errors']

    def jobs():
        for header in tree.ending('.h'):
            if '/include/microburst/' in f'/{header}':
                yield header, 'C11', ['gcc', '-xc', '-std=c11', *strict, *public_flags]
                yield header, 'C++11', ['g++', '-xc++', '-std=c++11', *strict, *public_flags]
            else:
                flags = flags_near(header, compile_of)
                yield header, 'C', ['gcc', '-xc', '-Wall', '-Werror', *flags]

    def compiles(job):
        header, language, command = job
        # Twice: a header also has to bear being included again.
        text = f'#include "{tree.path(header)}"\n' * 2
        done = subprocess.run([*command, '-fsyntax-only', '-'], input=text, capture_output=True,
                              text=True, cwd=tree.build, check=False)
        if done.returncode == 0:
            return []
        first = next((line for line in done.stderr.split('\n') if 'error' in line), done.stderr)
        return [f'{header}: does not compile alone as {language}: {first.strip()}']

    need('g++')
    yield from side_by_side(compiles, jobs())


def flags_near(header, compile_of):
    """The flags of the sources in the header's folder together (it may hold several libraries),
    else in the nearest folder around it: a header finds the layers below it and no others."""
    folder = os.path.dirname(header)
    while folder:
        flags = [include_flags(words) for file, words in compile_of.items()
                 if os.path.dirname(file) == folder] or \
                [include_flags(words) for file, words in compile_of.items()
                 if file.startswith(folder + '/')]
        if flags:
            return [flag for some in flags for flag in some]
        folder = os.path.dirname(folder)
    return [flag for words in compile_of.values() for flag in include_flags(words)]


# -- clang-tidy -----------------------------------------------------------------------------------

def check_clang_tidy(tree):
    """clang-tidy over every compiled source that changed, or includes what changed, since it last
    passed. What passed is remembered in the build folder; one that remembers nothing begins at a
    place that the commit names, so that it is not always the same files that there is no time
    for."""
    tool = need('clang-tidy-14')
    compile_of, checks = commands(tree), tree.path('.clang-tidy')
    passed = os.path.join(tree.build, 'clang-tidy-passed')
    os.makedirs(passed, exist_ok=True)
    began, left, database = time.monotonic(), [], commands_of_clang(tree)

    def tidy(file):
        stamp = os.path.join(passed, fingerprint(tree, file, compile_of[file]))
        if os.path.exists(stamp):
            return []
        if time.monotonic() - began > TIDY_SECONDS:
            left.append(file)
            return []
        done = run([tool, '--quiet', f'-p={database}', f'--config-file={checks}',
                    tree.path(file)])
        if done.returncode == 0:
            with open(stamp, 'w', encoding='utf-8'):
                return []
        found = re.findall(r'^(.+?)(:\d+:\d+: (?:error|warning): .+)$', done.stdout, re.M)
        return [os.path.relpath(os.path.join(tree.build, path), tree.root) + said
                for path, said in found] or \
            [f'{file}: clang-tidy failed: {done.stderr.strip()[:400]}']

    files = sorted(compile_of)
    commit = run(['git', '-C', tree.root, 'rev-parse', 'HEAD']).stdout.strip()
    first = int(commit or '0', 16) % max(len(files), 1)
    yield from side_by_side(tidy, files[first:] + files[:first])
    if left:
        print(f'clang-tidy read {len(compile_of) - len(left)} of {len(compile_of)} files in '
              f'{TIDY_SECONDS} s; the next run goes on from there')
        sys.exit(77)


def fingerprint(tree, file, words):
    """Changes with the file, our headers below it, the checks and the compile command."""
    by_name = {os.path.basename(f): f for f in tree.ending('.h', '.def')}
    seen, todo = set(), [file]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        included = re.findall(r'#\s*include\s*["<](?:[^">]*/)?([^"/>]+)[">]', tree.text(name))
        todo += [by_name[i] for i in included if i in by_name]
    parts = [tree.text('.clang-tidy'), ' '.join(words), *(tree.text(f) for f in sorted(seen))]
    return hashlib.sha256('\0'.join(parts).encode()).hexdigest()
