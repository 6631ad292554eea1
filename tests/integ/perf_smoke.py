#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""perf_smoke.py BENCH PERF [NAME...]: every bench works; figures mean nothing here.

Goal:   a bench, or a script that reads its result, does not rot.
Method: first what is to be refused; then each bench in smoke mode, its JSON checked field by field;
        then compare and report over it. BENCH is build/perf/bench, PERF the folder of the scripts,
        NAME the benches to run (without any: all).
"""
import json
import os
import re
import subprocess
import sys
import tempfile

NUMBERS = ('p50', 'p99', 'p999', 'max', 'rate', 'floor_p50', 'floor_p99', 'ratio_p50', 'ratio_p99')


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)


def expect(condition, what):
    if not condition:
        print(f'not so: {what}')
        sys.exit(1)


def stopped(bench):
    """Ended from outside it says so: what it printed is not all."""
    with subprocess.Popen([bench, '--smoke'], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as process:
        with open(f'/proc/{process.pid}/status', encoding='ascii') as status:
            while 'SigCgt:\t0000000000000000' in status.read():
                status.seek(0)
        process.terminate()
        err = process.communicate()[1]
    expect(process.returncode == 1 and 'stopped by a signal' in err,
           f'a bench that is stopped says so: {process.returncode} {err}')


def refusals(bench, perf, folder):
    unknown = run(bench, '--smoke', 'no_such_bench')
    expect(unknown.returncode == 2 and 'no_such_bench' in unknown.stderr, 'an unknown name is told')
    stopped(bench)
    out = run(bench, '--smoke', '--out', os.path.join(folder, 'no', 'such'), 'floor_syscall')
    expect(out.returncode == 1 and 'no/such' in out.stderr, 'what cannot be written is told')
    broken = os.path.join(folder, 'broken.json')
    with open(broken, 'w', encoding='utf-8') as f:
        f.write('[{"p50": 1}]')
    for file in (broken, broken + '.gone'):
        for command in ((f'{perf}/compare', file, file), (f'{perf}/report', '--print', file)):
            refused = run(*command)
            expect(refused.returncode == 2 and file in refused.stderr, f'{command} says why')


def rows_of(bench, folder, names):
    out = os.path.join(folder, 'bench.json')
    done = run(bench, '--smoke', '--out', out, *names)
    expect(done.returncode == 0, f'smoke runs: {done.stdout}{done.stderr}')
    with open(out, encoding='utf-8') as f:
        rows = json.load(f)
    for row in rows:
        expect(row['name'] in done.stdout, f'{row["name"]} is in the table')
    skipped = re.findall(r'^(\w+) +skipped: there is no', done.stdout, re.M)
    return out, rows, skipped


def shape(rows, listed):
    expect([row['name'] for row in rows] == listed, 'the rows are those that --list shows')
    for row in rows:
        name = row['name']
        expect(row['unit'] and row['on']['cpu'] and row['on']['commit'], f'{name} has its head')
        expect(isinstance(row['noisy'], bool) and row['samples'] > 0, f'{name} has samples')
        expect(all(row[n] is None or row[n] >= 0 for n in NUMBERS), f'{name} has its numbers')
        expect(row['p50'] <= row['p99'] <= row['p999'] <= row['max'] * 1.01, f'{name}: in order')
        expect((row['floor_p50'] is None) == (row['ratio_p50'] is None), f'{name}: ratio, floor')
        expect('aim' in row and row['met'] in (True, False, None), f'{name} has its aim')


def main():
    bench, perf, *names = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        refusals(bench, perf, folder)
        listed = [line.split()[0] for line in run(bench, '--list').stdout.splitlines()]
        out, rows, skipped = rows_of(bench, folder, names)
        shape(rows, [n for n in listed if (not names or n in names) and n not in skipped])
        same = run(f'{perf}/compare', out, out)
        expect(same.returncode == 0 and 'outside' not in same.stdout, 'a result is like itself')
        # Without what the blocks showed: on a busy machine that can be anything.
        steady = [dict(row, noisy=False, **{k: None for k in row if k.endswith(('_low', '_high'))})
                  for row in rows]
        slower = [dict(row, p50=row['p50'] * 3, ratio_p50=row['ratio_p50'] and row['ratio_p50'] * 3)
                  for row in steady]
        for name, changed in (('slower.json', slower), ('steady.json', steady)):
            with open(os.path.join(folder, name), 'w', encoding='utf-8') as f:
                json.dump(changed, f)
        change = run(f'{perf}/compare', f'{folder}/steady.json', f'{folder}/slower.json')
        expect(change.stdout.count('outside noise: more') == sum(r['p50'] > 0 for r in rows),
               f'three times slower is outside the noise: {change.stdout}')
        text = run(f'{perf}/report', '--print', out)
        expect(text.returncode == 0 and all(f'`{r["name"]}`' in text.stdout for r in rows),
               f'the report has every row: {text.stderr}')
    print(f'{len(rows)} rows, not here: {" ".join(skipped) or "none"}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
