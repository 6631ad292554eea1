# SPDX-License-Identifier: Apache-2.0
"""params: configs/params.def and configs/default.conf name the same parameters; what RUNBOOK.md
names is there."""
import re

DEF, CONF = 'configs/params.def', 'configs/default.conf'
METRICS, RUNBOOK = 'configs/metrics.def', 'RUNBOOK.md'
RULES = ()


def check(tree):
    if DEF not in tree.files:
        return
    defined = {f'{section}.{key}' for section, key in
               re.findall(r'^\s*PARAM\(\s*(\w+)\s*,\s*(\w+)\s*,', tree.text(DEF), re.M)}
    if not defined:
        yield f'{DEF}: no PARAM row found'
    shown = dict(rows(tree.text(CONF))) if CONF in tree.files else {}
    for name in sorted(defined - set(shown)):
        yield f'{CONF}: does not show {name}'
    for name in sorted(set(shown) - defined):
        yield f'{CONF}:{shown[name]}: {name} is no row of {DEF}'
    if RUNBOOK in tree.files:
        yield from runbook(tree.text(RUNBOOK), defined, tree.text(METRICS))


def runbook(said, params, table):
    """Names in backquotes: counters by the kind they begin with, parameters by their section."""
    rows = re.findall(r'^METRIC\((\w+), (\w+), "(\w*)"', table, re.M)
    kinds = {kind for kind, _, _ in rows} | {'exec', 'sched', 'ctl'}
    metrics = {'_'.join(filter(None, row)) for row in rows}
    metrics |= {f'{kind}_' + '_'.join(filter(None, row[1:])) for row in rows if row[0] == 'tile'
                for kind in kinds}
    sections = {name.split('.')[0] for name in params}
    for number, line in enumerate(said.split('\n'), 1):
        for word in re.findall(r'`([a-z0-9_.]+)[ `]', line):
            if word.split('_')[0] in kinds and '_' in word and word not in metrics:
                yield f'{RUNBOOK}:{number}: there is no counter {word}'
            if word.split('.')[0] in sections and word.count('.') == 1 and word not in params:
                yield f'{RUNBOOK}:{number}: there is no parameter {word}'


def rows(conf):
    """(section.key, line) of each setting, also of one shown as a comment: `#key = value`."""
    section = ''
    for number, line in enumerate(conf.split('\n'), 1):
        header = re.match(r'\s*\[(\w+)\]', line)
        setting = re.match(r'\s*[#;]?(\w+)\s*=', line)
        if header:
            section = header.group(1)
        elif setting:
            yield f'{section}.{setting.group(1)}', number
