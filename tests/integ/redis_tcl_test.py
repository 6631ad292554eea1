#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""redis_tcl_test.py MICROBURST SOURCE SCRATCH [--learn] [UNIT...]

Goal:   Redis's own tests of what the gate serves pass against it.
Method: Debian's source package `redis` is fetched into SCRATCH once, with lists of its own made
        from the sources this machine has; its harness runs against a node's port. Each test that
        is not run stands in redis_tcl.txt with its reason, or has a tag that the harness names;
        one that stands there and does not exist is a failure, too.
        --learn prints rows for what fails, to be looked at one by one.
"""
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile

MICROBURST, SOURCE, SCRATCH = sys.argv[1:4]
sys.path.insert(0, f'{SOURCE}/tests/lib')
from node import Node   # noqa: E402

SKIPPED = 77
FETCH_S, UNIT_S = 60, 240
TILES = os.environ.get('TILES', '1')
LONG_MS = 700
PORT = 21111 + 64 * (os.getpid() % 150)     # around it the harness listens; another run elsewhere
LIST = os.path.join(SOURCE, 'tests/integ/redis_tcl.txt')
# What an external server cannot do, and what takes minutes.
TAGS = '-needs:debug -needs:repl -needs:save -needs:reset -external:skip -slow -large-memory'
# Tagged as not for an external server, as they change its users, or look at all its clients.
OURS = {
    'unit/acl': 'start_server {tags {"acl external:skip"}} {',
    'unit/acl-v2': 'start_server {tags {"acl external:skip"}} {',
    'unit/auth': 'start_server {tags {"auth external:skip"}} {',
    'unit/info': 'start_server {tags {"info" "external:skip"}} {',
    'unit/limits': 'start_server {tags {"limits network external:skip"} '
                   'overrides {maxclients 10}} {',
    'unit/pubsubshard': 'start_server {tags {"pubsubshard external:skip"}} {',
    'integration/redis-benchmark': 'start_server {tags {"benchmark network external:skip"}} {',
}
# What the harness expects to have been built beside it: Debian's redis-tools.
TOOLS = ('redis-benchmark', 'redis-cli')
# Parameters of Redis's encodings, and of some limits, mean nothing here: to set one is fine, and
# changes nothing.
PRELUDE = r'''
proc of_encoding {words} {
    if {[string tolower [lindex $words 0]] ne "config"} { return {} }
    foreach p {*-max-ziplist-* *-max-listpack-* *-max-intset-* list-compress-depth save
                tracking-table-max-keys} {
        if {[string match $p [lindex $words 2]]} { return [string tolower [lindex $words 1]] }
    }
    return {}
}
'''
SHORTCUT = r'''proc r {args} {
    switch [of_encoding $args] {
        set { return OK }
        get { return [list [lindex $args 2] 0] }
    }
'''


def skip(why):
    print(f'skipped: {why}')
    sys.exit(SKIPPED)


def apt(folder, *args):
    options = [f'Dir::Etc::SourceList={folder}/sources.list',
               f'Dir::Etc::SourceParts={folder}/parts', f'Dir::State::Lists={folder}/lists',
               f'Dir::Cache={folder}/cache', 'APT::Sandbox::User=root']
    command = ['apt-get', *(word for o in options for word in ('-o', o)), *args]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=FETCH_S,
                              check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        skip(f'apt-get {args[0]} does not end within {FETCH_S} s')
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ['it failed']
        skip(f'apt-get {args[0]}: {last[0]}')


def sources_write(folder):
    """This machine's own package sources, as sources of source packages; nothing of it changes."""
    os.makedirs(f'{folder}/parts', exist_ok=True)
    os.makedirs(f'{folder}/lists/partial', exist_ok=True)
    os.makedirs(f'{folder}/cache/archives/partial', exist_ok=True)
    lines = []
    for path in ['/etc/apt/sources.list', *glob.glob('/etc/apt/sources.list.d/*.list')]:
        if os.path.exists(path):
            with open(path, encoding='utf-8') as f:
                lines += [re.sub(r'^deb\s', 'deb-src ', line) for line in f if line[:4] == 'deb ']
    with open(f'{folder}/sources.list', 'w', encoding='utf-8') as f:
        f.writelines(lines)
    for path in glob.glob('/etc/apt/sources.list.d/*.sources'):
        with open(path, encoding='utf-8') as f:
            text = re.sub(r'^Types:.*$', 'Types: deb-src', f.read(), flags=re.M)
        with open(f'{folder}/parts/{os.path.basename(path)}', 'w', encoding='utf-8') as f:
            f.write(text)


def fetch():
    """The folder with Redis's tests."""
    folder = os.path.join(SCRATCH, 'redis-source')
    if not glob.glob(f'{folder}/redis_*.orig.tar.*'):
        if not shutil.which('apt-get'):
            skip('there is no apt-get')
        sources_write(folder)
        apt(folder, 'update')
        apt(folder, 'source', '--download-only', 'redis')
    shutil.rmtree(f'{folder}/tree', ignore_errors=True)
    with tarfile.open(glob.glob(f'{folder}/redis_*.orig.tar.*')[0]) as tar:
        # Debian 12's Python has no filters; it was apt that looked at the file's signature.
        tar.extractall(f'{folder}/tree', **({'filter': 'data'} if hasattr(tarfile, 'data_filter')
                                            else {}))
    found = glob.glob(f'{folder}/tree/redis-*/tests/test_helper.tcl')
    prepare(os.path.dirname(found[0]))
    return os.path.dirname(os.path.dirname(found[0]))


def replace(path, old, new):
    with open(path, encoding='utf-8') as f:
        text = f.read()
    if old not in text:
        skip(f'{os.path.basename(path)} is not the harness that this test knows')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text.replace(old, new, 1))


def prepare(tests):
    # Functions here are programs that were deployed: nobody flushes them.
    replace(f'{tests}/support/server.tcl', '    r function flush\n', '')
    replace(f'{tests}/test_helper.tcl', 'proc r {args} {\n', PRELUDE + SHORTCUT)
    for unit, first in OURS.items():    # the first server of these can be the node as well
        ours = re.sub(' external:skip| "external:skip"', '', first)
        replace(f'{tests}/{unit}.tcl', first, ours)
    for tool in filter(shutil.which, TOOLS):
        os.symlink(shutil.which(tool), f'{os.path.dirname(tests)}/src/{tool}')
    # Two clients say that they wait, and neither is asked whether it does: who of them is first is
    # not said, but the test rests on it.
    first, second = ('        $rd1 brpoplpush blist{t} target1{t} 0\n',
                     '        $rd2 brpoplpush blist{t} target2{t} 0\n')
    waits = '        wait_for_blocked_clients_count %d\n'
    replace(f'{tests}/unit/type/list.tcl', first + second,
            first + waits % 1 + second + waits % 2)
    # The same of one that leaves its three channels, and does not read that it has.
    for unit, word, publish in (('pubsub', 'unsubscribe', 'publish chan1 '),
                                ('pubsub', 'punsubscribe', 'publish chan1.hi '),
                                ('pubsubshard', 'sunsubscribe', 'SPUBLISH chan1 ')):
        then = f'        assert_equal 0 [r {publish}'
        replace(f'{tests}/unit/{unit}.tcl', f'        {word} $rd1\n{then}',
                f'        {word} $rd1\n        for {{set i 0}} {{$i < 3}} {{incr i}} '
                f'{{$rd1 read}}\n{then}')
    # There is no EVAL; the tests behind it need this user.
    replace(f'{tests}/unit/acl.tcl', 'antirez +eval +multi', 'antirez +multi')


def skips_read():
    """{unit: {test: reason}}"""
    units = {}
    with open(LIST, encoding='utf-8') as f:
        for line in f:
            if line.strip() and not line.startswith('#'):
                unit, reason, name = line.rstrip('\n').split('\t')
                units.setdefault(unit, {})[name] = reason
    return units


def unit_run(tree, port, unit, names, folder):
    skipfile = os.path.join(folder, 'skip')
    with open(skipfile, 'w', encoding='utf-8') as f:
        f.write('\n'.join(names))
    command = ['tclsh', 'tests/test_helper.tcl', '--host', '127.0.0.1', '--port', port,
               '--singledb', '--ignore-encoding', '--ignore-digest', '--durable', '--skipfile',
               skipfile, '--baseport', str(PORT), '--tags', TAGS, '--single', unit]
    # Its helpers are a group of their own: they end with it, also when it hangs.
    with subprocess.Popen(command, cwd=tree, stdout=subprocess.PIPE, text=True, errors='replace',
                          stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          start_new_session=True) as harness:
        try:
            said = harness.communicate(timeout=UNIT_S)[0]
        except subprocess.TimeoutExpired:
            os.killpg(harness.pid, signal.SIGKILL)
            said = harness.communicate()[0] + f'\n[err]: it hangs in {unit}\n'
    return re.sub(r'\x1b\[[0-9;]*m', '', said)


def failures(said):
    """[(test, why)]"""
    found = []
    said = said.split('\n!!! WARNING', 1)[0]
    for part in re.split(r'^(?=\[)', said, flags=re.M):
        if part.startswith(('[err]', '[exception]')):
            head, _, why = part.partition('\n')
            name = re.sub(r' in tests/\S+$', '', head.split(': ', 1)[-1])
            found.append((name, why))
    return found


def reason_guess(why):
    unknown = re.search(r"unknown command '([^']*)'", why)
    return f'{unknown.group(1).upper()} is not served' if unknown else why.strip().split('\n')[0]


def main():
    args = sys.argv[4:]
    learn = '--learn' in args
    chosen = [a for a in args if not a.startswith('-')]
    if not shutil.which('tclsh'):
        skip('there is no tclsh (Debian: tcl)')
    tree = fetch()
    skips = skips_read()
    node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', '--set', f'gate.tiles={TILES}')
    port = next(line.rsplit(' ', 1)[1] for line in node.said().splitlines()
                if line.startswith('Redis clients: port '))
    passed = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for unit in chosen or sorted(skips):
            names = skips.get(unit, {})
            if '*' in names and not chosen:
                continue
            if unit.startswith('integration/') and not all(map(shutil.which, TOOLS)):
                print(f'{unit}: not run, as there are no redis-tools')
                continue
            said = unit_run(tree, port, unit, names, folder)
            ok, failed = len(re.findall(r'^\[ok\]', said, re.M)), failures(said)
            gone = [n for n in names if n not in ('*', '-') and f'[skip]: {n}\n' not in said]
            listed = len([n for n in names if n != '-'])
            print(f'{unit}: {ok} passed, {len(failed)} failed, {listed} not run')
            for name, ms in re.findall(r'^\[ok\]: (.*) \((\d+) ms\)$', said, re.M):
                if int(ms) >= LONG_MS and learn:
                    print(f'{unit}\tlong\t{name}', file=sys.stderr)
            for name, why in failed:
                if learn:
                    print(f'{unit}\t{reason_guess(why)}\t{name}', file=sys.stderr)
                else:
                    print(f'FAILED {name}\n{why.rstrip()}')
            for name in gone:
                print(f'FAILED {LIST} names what is not there: {name}')
            passed += ok
            wrong += len(failed) + len(gone) + (ok == 0)
    node.remove()
    print(f'{passed} passed, {wrong} wrong')
    return 1 if wrong and not learn else 0


if __name__ == '__main__':
    sys.exit(main())
