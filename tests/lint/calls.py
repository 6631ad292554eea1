# SPDX-License-Identifier: Apache-2.0
"""calls: functions of the C library that have no place here, and the heap."""
import re

from tree import LAYERS, code_of

BANNED = {
    'strcpy': 'no bound: wbuf_put or snprintf',
    'strcat': 'no bound: wbuf_put',
    'sprintf': 'no bound: snprintf',
    'vsprintf': 'no bound: vsnprintf',
    'gets': 'no bound',
    'strncpy': 'may leave the end off: snprintf or memcpy',
    'strtok': 'hidden state: slices',
    'atoi': 'no error: params or strtoll',
    'atol': 'no error: params or strtoll',
    'atoll': 'no error: params or strtoll',
    'atof': 'no error: strtod',
    'rand': 'not from our seed: rng.h',
    'srand': 'not from our seed: rng.h',
    'random': 'not from our seed: rng.h',
    'drand48': 'not from our seed: rng.h',
    'alloca': 'the stack has no limit we can state',
    'system': 'a shell parses it: posix_spawn',
    'usleep': 'obsolete: nanosleep, and think why',
}
HEAP = ('malloc', 'calloc', 'realloc', 'reallocarray', 'free', 'strdup', 'strndup', 'asprintf',
        'aligned_alloc', 'posix_memalign')
RULES = ('banned', 'heap')

# Not a member: x.free(), x->free().
CALL = re.compile(r'(?<![\w.>])(' + '|'.join([*BANNED, *HEAP]) + r')(?=\s*\()')


def check(tree):
    for file in tree.ending('.c', '.h'):
        for number, line in enumerate(code_of(tree.text(file)).split('\n'), 1):
            for match in CALL.finditer(line):
                name = match.group(1)
                if name in BANNED and not tree.allow('banned', file):
                    yield f'{file}:{number}: {name}: {BANNED[name]}'
                if name in HEAP and file.startswith(LAYERS) and not tree.allow('heap', file):
                    yield (f'{file}:{number}: {name}: the heap is for start-up, in files that '
                           f'tests/lint/allow.txt names with a reason')
