# SPDX-License-Identifier: Apache-2.0
"""params: configs/params.def and configs/default.conf name the same parameters."""
import re

DEF, CONF = 'configs/params.def', 'configs/default.conf'
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
