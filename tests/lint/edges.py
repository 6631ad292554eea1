# SPDX-License-Identifier: Apache-2.0
"""edges: where memory is shared, each release names its acquire and the other way round.

    /* R1: release; pairs with A1 in link_recv. ... */      at the writer
    /* A1: acquire; pairs with R1 in link_send. ... */      at the reader

A label is looked up in its file, then in its folder, then in the file it names. An ordered access
without a label in the comment above it is an edge that nobody has thought through.
"""
import os
import re

from tree import LAYERS, code_of, comments_of

RULES = ('order',)
LABEL = re.compile(r'\b([RA]\d+):\s')
PAIRS = re.compile(r'pairs\s+with\s+((?:[RA]\d+(?:,\s*|\s+and\s+|\s+or\s+)?)+)'
                   r'(?:\s*in\s+([\w./]+\w))?')
ORDERED = re.compile(r'memory_order_(?:acquire|release|acq_rel|seq_cst)'
                     r'|__ATOMIC_(?:ACQUIRE|RELEASE|ACQ_REL|SEQ_CST)')
NEAR_LINES = 8      # how far below a comment its label reaches


class Edge:
    """One end: a comment with a label."""

    def __init__(self, file, line, label, comment):
        words = re.sub(r'\s*\n\s*\*?\s*', ' ', comment)
        pairs = PAIRS.search(words)
        self.file, self.line, self.label = file, line, label
        self.partners = re.findall(r'[RA]\d+', pairs.group(1)) if pairs else []
        self.where = pairs.group(2) if pairs else None

    def __str__(self):
        return f'{self.file}:{self.line}: {self.label}'


def check(tree):
    edges = []
    for file in tree.ending('.c', '.h'):
        if not file.startswith(LAYERS):
            continue
        labelled = []
        for line, comment in comments_of(tree.text(file)):
            labels = LABEL.findall(comment)
            if re.search(r'\b[RA]\d+\b', comment):
                labelled.append((line, line + comment.count('\n') + NEAR_LINES))
            edges += [Edge(file, line, label, comment) for label in labels]
        yield from unlabelled(tree, file, labelled)
    for edge in edges:
        yield from partners(tree, edges, edge)


def unlabelled(tree, file, labelled):
    for number, line in enumerate(tree.text(file).split('\n'), 1):
        if ORDERED.search(line) and not any(a <= number <= b for a, b in labelled) \
                and not tree.allow('order', file):
            yield f'{file}:{number}: {ORDERED.search(line).group()} without a label R<n> or A<n>'


def partners(tree, edges, edge):
    if not edge.partners:
        yield f'{edge}: does not say what it pairs with'
    for label in edge.partners:
        named = [e for e in edges if e.label == label]
        # The nearest file that has the label; a name after "in" may point to another folder.
        found = ([e for e in named if e.file == edge.file]
                 or [e for e in named if os.path.dirname(e.file) == os.path.dirname(edge.file)]
                 or [e for e in named if edge.where and has(tree, e.file, edge.where)])
        if not found:
            yield f'{edge}: its partner {label} is nowhere near'
        elif not any(edge.label in e.partners for e in found):
            yield f'{edge}: {label} ({found[0].file}:{found[0].line}) does not pair with it'
        elif edge.where and not any(has(tree, e.file, edge.where) for e in found):
            yield f'{edge}: says {label} is in {edge.where}, but it is in {found[0].file}'


def has(tree, file, where):
    """Whether the file is meant by `where`: its name, or a function in it."""
    return os.path.basename(file) == os.path.basename(where) or \
        re.search(rf'\b{re.escape(where)}\b', code_of(tree.text(file))) is not None
