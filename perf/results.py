# SPDX-License-Identifier: Apache-2.0
"""Results of benches: lists of rows, as build/perf/bench and perf/instructions write them."""
import json
import os
import sys


def fail(text):
    print(f'{os.path.basename(sys.argv[0])}: {text}', file=sys.stderr)
    sys.exit(2)


def load(file):
    """{name: row} of one file."""
    try:
        with open(file, encoding='utf-8') as f:
            rows = json.load(f)
        return {row['name']: row for row in rows}
    except OSError as error:
        fail(f'{file}: {error.strerror}')
    except (ValueError, TypeError, KeyError):
        fail(f'{file}: not a result of a bench')


def plain(x, digits=3):
    """A number with so many digits that count, without an exponent; - for one that is not there."""
    if x is None:
        return '-'
    if x == 0:
        return '0'
    text = f'{x:.{digits}g}'
    return text if 'e' not in text else f'{x:,.0f}'
