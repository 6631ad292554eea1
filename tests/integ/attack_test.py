#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""attack_test.py MICROBURST SOURCE

Goal:   a function can do nothing to what it is shown, nor to the node through what it talks by: the
        caller's argument and the cached value stay what they were, and others go on being served.
Method: functions that attack, on a whole node: pages it is shown made writable, moved, taken away,
        written; the executor's own sockets and bells filled with nonsense, half messages and
        requests for memory; memory without end, a stack without end, processes without end. One
        that knows the node's headers speaks for its executor: messages by chance to each tile, and
        figures by chance of what was used. A node with a terminal, whose executors have none.
"""
import contextlib
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until   # noqa: E402

MICROBURST, SOURCE = sys.argv[1], os.path.abspath(sys.argv[2])
LARGE = 3 << 20     # an argument of its own segment, a value of its own pages
SMALL = 4000        # an argument in its caller's slab

FUNCTION = r"""
#define _GNU_SOURCE
#include <microburst/function.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct said {
    char text[1024];
    size_t len;
};

static void tried(struct said *s, const char *what, long rc)
{
    if (rc >= 0)
        s->len += (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len, "%s; ", what);
}

static void pages(struct said *s, struct mb_slice v)
{
    uintptr_t p = ((uintptr_t)v.p + 4095) & ~(uintptr_t)4095;
    void *page = (void *)(v.len > 8191 ? p : p - 4096);
    void *q;

    tried(s, "made writable", mprotect(page, 4096, PROT_READ | PROT_WRITE));
    tried(s, "made executable", mprotect(page, 4096, PROT_READ | PROT_EXEC));
    tried(s, "removed", madvise(page, 4096, MADV_REMOVE));
    tried(s, "poisoned", madvise(page, 4096, MADV_HWPOISON));
    q = mremap(page, 4096, 4096, MREMAP_MAYMOVE | 4 /* MREMAP_DONTUNMAP */);
    if (q != MAP_FAILED)
        tried(s, "moved and made writable", mprotect(q, 4096, PROT_READ | PROT_WRITE));
    q = mremap(page, 0, 4096, MREMAP_MAYMOVE); /* the same pages a second time */
    if (q != MAP_FAILED)
        tried(s, "mapped again and made writable", mprotect(q, 4096, PROT_READ | PROT_WRITE));
}

/* shown(argument): what it is shown. Says what went through. */
MB_FUNCTION(shown)
{
    struct said s = { .len = 0 };
    struct mb_slice v;

    MB_TRY(mb_arg_bytes(call, 0, &v));
    pages(&s, v);
    MB_TRY(mb_get(call, mb_str("victim"), &v));
    pages(&s, v);
    return mb_return_utf8(call, mb_slice_of(s.text, s.len));
}

MB_FUNCTION(writes_argument)
{
    struct mb_slice v;

    MB_TRY(mb_arg_bytes(call, 0, &v));
    memset((void *)(uintptr_t)v.p, 'x', v.len);
    return 0;
}

MB_FUNCTION(writes_value)
{
    struct mb_slice v;

    MB_TRY(mb_get(call, mb_str("victim"), &v));
    memset((void *)(uintptr_t)v.p, 'x', v.len);
    return 0;
}

/* Speaks over all that the executor has open: each kind of message there might be, in every
 * length. */
MB_FUNCTION(speaks)
{
    unsigned char bytes[256];
    int64_t seed;

    MB_TRY(mb_arg_i64(call, 0, &seed));
    for (int i = 0; i < 2000; i++) {
        for (size_t k = 0; k < sizeof(bytes); k++) {
            seed = (int64_t)((uint64_t)seed * 6364136223846793005u + 1442695040888963407u);
            bytes[k] = (unsigned char)((uint64_t)seed >> 33);
        }
        bytes[0] = (unsigned char)(i % 32);
        bytes[1] = 0;
        for (int fd = 3; fd < 16; fd++) {
            struct iovec iov = { bytes, (size_t)i % sizeof(bytes) + 1 };
            struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

            if (sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                (void)!write(fd, bytes, 8);
        }
    }
    return mb_return_i64(call, 1);
}

MB_FUNCTION(eats)
{
    for (;;) {
        char *p = malloc(1 << 20);

        if (p == NULL)
            return mb_fail(call, "no more memory");
        memset(p, 1, 1 << 20);
    }
}

MB_FUNCTION(eats_in_place)
{
    char *volatile p;

    while (memset(p = malloc(1 << 20), 1, 1 << 20) != MAP_FAILED) {
    }
    return 0;
}

static int deeper(volatile char *above)
{
    volatile char here[4096];

    here[0] = above[0];
    return here[0] == 0 ? 0 : deeper(here) + here[0];
}

MB_FUNCTION(stack)
{
    volatile char top[1] = { 1 };

    return deeper(top);
}

MB_FUNCTION(forks)
{
    for (int i = 0; i < 1000; i++) {
        if (syscall(SYS_fork) >= 0 || syscall(SYS_vfork) >= 0)
            return mb_return_i64(call, i);
    }
    return mb_fail(call, "none");
}

MB_FUNCTION(fine)
{
    struct mb_slice v;

    MB_TRY(mb_get(call, mb_str("victim"), &v));
    for (size_t i = 0; i < v.len; i++) {
        if (((const char *)v.p)[i] != 'v')
            return mb_fail(call, "changed at %zu", i);
    }
    return mb_return_i64(call, (int64_t)v.len);
}
"""

# What runs as it is loaded: takes memory, lowers limits for what is loaded after it, forks.
CONSTRUCTOR = r"""
#define _GNU_SOURCE
#include <microburst/function.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *volatile p;
static int64_t mib, through;

__attribute__((constructor)) static void takes(void)
{
    struct rlimit none = { 0, 0 }, all = { RLIM_INFINITY, RLIM_INFINITY };

    through += setrlimit(RLIMIT_DATA, &all) == 0;
    through += setrlimit(RLIMIT_NOFILE, &none) == 0;
    through += setrlimit(RLIMIT_STACK, &none) == 0;
    through += syscall(SYS_fork) >= 0;
    through += mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0) !=
               MAP_FAILED;
    for (; mib < 1000 && (p = malloc(1 << 20)) != NULL; mib++)
        memset(p, 1, 1 << 20);
}

MB_FUNCTION(took)
{
    MB_TRY(mb_return_i64(call, mib));
    return mb_return_i64(call, through);
}
"""
# Messages of every kind, most of whose words are by chance, with an index that is right.
SPEAKS_FOR_IT = r"""
#include <microburst/function.h>
#include "hints.h"
#include "region.h"

static uint64_t word;

static uint64_t chance(void)
{
    word ^= word << 13;
    word ^= word >> 7;
    word ^= word << 17;
    return word;
}

static int own_find(struct mb_call *call, struct region *own)
{
    void *p;

    own->at = region_layout(REGION_PROCESS);
    MB_TRY(mb_return_reserve(call, MB_BYTES, 40000, &p));
    own->base = (const uint8_t *)((uintptr_t)p & ~(uintptr_t)4095);
    while (((const struct region_head *)own->base)->magic != REGION_MAGIC) {
        own->base -= 4096;
    }
    return 0;
}

/* Fills what its executor says that its functions used. */
MB_FUNCTION(counts_for_it)
{
    struct region own = { 0 };
    uint64_t *at, *end;

    MB_TRY(own_find(call, &own));
    at = (uint64_t *)&region_trace(&own)->stages;
    end = (uint64_t *)(&region_trace(&own)->stages + 1);
    for (word = 88172645463325252u; at < end; at++)
        *at = chance() >> chance() % 64;
    return 0;
}

MB_FUNCTION(speaks_for_it)
{
    struct region own = { 0 };
    const struct region_head *head;
    int64_t kind, seed;

    MB_TRY(mb_arg_i64(call, 0, &kind));
    MB_TRY(mb_arg_i64(call, 1, &seed));
    word = (uint64_t)seed * 2654435761u + 88172645463325252u;
    MB_TRY(own_find(call, &own));
    head = (const void *)own.base;
    for (uint32_t port = 0; port < TILE_PORT_CNT; port++) {
        uint64_t tail = region_tx(&own, port)->v;

        for (uint32_t i = 0; i < CHANNEL_DEPTH / 4; i++) {
            struct desc d;

            for (uint32_t k = 0; k < sizeof(d) / 8; k++) {
                ((uint64_t *)&d)[k] = chance();
            }
            d.kind = kind >= 0 ? (uint8_t)kind : (uint8_t)(chance() % DESC_KIND_CNT);
            d.flags = (uint8_t)(chance() % 2 == 0 ? 0 : chance());
            d.sub %= 8;
            d.a %= 2;
            if (chance() % 2 == 0) {
                d.ref.proc = head->proc;
                d.ref.inc = head->inc;
                d.ref.seg = 0;
                d.ref.off = (uint32_t)(own.at.slab + chance() % 100000);
                d.ref.len = (uint32_t)(chance() % 100000);
            }
            region_slots(&own, port)[(tail + i) % CHANNEL_DEPTH] = d;
        }
        region_tx(&own, port)->v = tail + CHANNEL_DEPTH / 4;
    }
    return mb_return_i64(call, 1);
}
"""
ENDS = """
#include <microburst/function.h>
#include <stdlib.h>
__attribute__((constructor)) static void ends(void) { %s; }
MB_FUNCTION(never) { return mb_return_i64(call, 1); }
"""


class Attack(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node(MICROBURST, '--set', 'executor.count=2', '--set', 'executor.memory=64m')
        cls.addClassCleanup(cls.node.remove)
        code, err = cls.deploy(FUNCTION)
        assert code == 0, err
        for name, size in ('large', LARGE), ('small', SMALL):
            with open(os.path.join(cls.node.folder, name), 'wb') as f:
                f.write(b'v' * size)
        assert cls.node.run('set', 'victim', '@' + os.path.join(cls.node.folder, 'large'))[0] == 0

    @classmethod
    def deploy(cls, text):
        path = os.path.join(cls.node.folder, 'attack.c')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        code, _, err = cls.node.run('deploy', path)
        return code, err

    def tearDown(self):
        self.assertEqual(self.call('fine'), (0, b'%d\n' % LARGE, ''), self.node.said())
        self.assertIsNone(self.node.process.poll())
        until(lambda: not any(self.node.json('status')['held'].values()), 60, 'nothing held')

    def call(self, *args):
        return self.node.run('call', *args)

    def file(self, name):
        return '@' + os.path.join(self.node.folder, name)

    def dies(self, name, *args, how='signal 11'):
        code, _, err = self.call(name, *args)
        self.assertEqual(code, 1, err)
        self.assertIn(how, err)
        self.assertIn('writes did not happen', err)

    def test_what_it_is_shown(self):
        for name in 'large', 'small':
            code, out, err = self.call('shown', self.file(name))
            self.assertEqual((code, out), (0, b'\n'), err)

    def test_writing_what_it_is_shown(self):
        self.dies('writes_value', self.file('small'))
        for name in 'large', 'small':
            self.dies('writes_argument', self.file(name))

    def test_nonsense(self):
        for seed in range(4):
            self.call('speaks', str(seed))      # whatever becomes of it

    def test_memory(self):
        code, _, err = self.call('eats')
        self.assertEqual(code, 1)
        self.assertIn('no more memory', err)
        self.dies('eats_in_place', how='out of memory')

    def test_what_runs_as_it_is_loaded(self):
        self.assertEqual(self.deploy(CONSTRUCTOR)[0], 0)
        code, out, err = self.call('took')
        self.assertEqual(code, 0, err)
        mib, through = map(int, out.split())
        self.assertTrue(32 <= mib <= 64, mib)
        self.assertEqual(through, 0)
        self.assertEqual(self.node.run('undeploy', 'took')[0], 0)
        for end in 'abort()', 'exit(0)':
            code, err = self.deploy(ENDS % end)
            self.assertEqual(code, 1)
            self.assertIn('died while it loaded the object', err)

    def kill_executors(self):
        for pid in self.node.executors():
            with contextlib.suppress(ProcessLookupError):   # gone since it was asked for
                os.kill(pid, signal.SIGKILL)

    def deploy_with_headers(self):
        name = os.path.join(self.node.folder, 'speaks_for_it')
        with open(name + '.c', 'w', encoding='utf-8') as f:
            f.write(SPEAKS_FOR_IT)
        folders = ('dataplane/rt/shm', 'dataplane/base', 'dataplane/base/include',
                   'executor/include')
        subprocess.run(['cc', '-D_GNU_SOURCE', '-shared', '-fPIC', '-O1', '-w', name + '.c',
                        *(f'{SOURCE}/dataplane/{c}.c' for c in ('rt/shm/region', 'rt/shm/huge_lock',
                                                                'base/check', 'base/log')),
                        '-o', name + '.so',
                        *(f'-I{SOURCE}/{folder}' for folder in folders)], check=True)
        self.assertEqual(self.node.run('deploy', name + '.so')[0], 0)

    def test_counting_for_its_executor(self):
        self.deploy_with_headers()
        self.call('fine')
        for _ in range(4):
            self.call('counts_for_it')
            self.kill_executors()   # what it said is taken over
            until(lambda: self.call('fine')[0] == 0, 60, 'executors')
            ps = self.node.json('ps')
            for f in ps['functions']:
                self.assertLess(f['finished'], 10**6, f)
                self.assertLess(f['failed'], 10**6, f)
                self.assertLess(f['run_ns'], 3600 * 10**9, f)

    def test_speaking_for_its_executor(self):
        self.deploy_with_headers()
        for kind in [-1] * 8 + [32, 33, 35, 41, 64, 65, 66, 67, 68, 69, 70, 71]:
            self.call('speaks_for_it', str(kind), str(kind * 7 + 11))   # whatever becomes of it
            self.assertIsNone(self.node.process.poll(), self.node.said()[-2000:])
        self.kill_executors()   # one that was believed says something wrong later
        until(lambda: self.call('fine')[0] == 0, 60, 'executors that nobody spoke for')

    def test_stack(self):
        self.dies('stack')

    def test_processes(self):
        code, _, err = self.call('forks')
        self.assertEqual(code, 1)
        self.assertIn('none', err)

    def test_its_terminal(self):
        """Is the daemon's business alone; the time of its session is of all its processes."""
        ours, its = os.openpty()
        takes = 'import os, sys; os.open(sys.argv[1], os.O_RDWR); os.execvp(sys.argv[2], ' \
                'sys.argv[2:])'
        node = Node(MICROBURST, within=(sys.executable, '-c', takes, os.ttyname(its)))
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, its)
        self.addCleanup(node.remove)

        def group_session_terminal(pid):
            with open(f'/proc/{pid}/stat', encoding='utf-8') as f:
                return f.read().rsplit(')', 1)[1].split()[2:5]

        group, session, terminal = group_session_terminal(node.process.pid)
        self.assertNotEqual(terminal, '0')
        for pid in [until(node.zygote, 60, 'a zygote'), *node.executors()]:
            its_group, its_session, its_terminal = group_session_terminal(pid)
            self.assertNotEqual(its_group, group)
            self.assertEqual(its_session, session)
            self.assertEqual(its_terminal, '0')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
