#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_beside_test.py MICROBURST SOURCE

Goal:   a gate says what Redis says, and every command of Redis's is served or named, with why and
        what to do instead, on the page of differences.
Method: a node and a redis-server (Debian: redis-server; skipped without) are told the same:
        commands by chance of the templates below, right and wrong ones, on few keys, so that they
        meet other types, missing keys and each other's results. Replies are compared whole, error
        texts too; of what has no order in Redis the order is not compared. SEED= and COUNT= take
        others, and more.
"""
import os
import random
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from beside import redis_server   # noqa: E402
from node import Node   # noqa: E402
from resp import Raw, port_of   # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]
SEED = int(os.environ.get('SEED', '4711'))
COUNT = int(os.environ.get('COUNT', '3000'))
TILES = os.environ.get('TILES', '1')
FLUSH_EVERY = 250
LONG = 5000     # members: a sorted set that is a tree
BOTH = {}

# {k} a key of any type, {s} {l} {t} {h} {z} one that is mostly a string, list, set, hash, sorted
# set; {q} a sorted set of one score, {n} {i} a large and a small number, {f} a score, {b} a place
# of a bit, {v} {w} a value, {e} a member, {p} a set of places, {o} {a} where, {m} how far, {u} a
# HyperLogLog.
STRINGS = '''
set {s} {v}|set {s} {n}|get {k}|append {s} {v}|strlen {k}|getrange {s} {i} {i}
setrange {s} {b} {v}|incr {s}|incrby {s} {n}|decr {s}|decrby {s} {n}|incrbyfloat {s} {f}
getset {s} {v}|getdel {s}|setnx {s} {v}|mget {s} {k} {s}|mset {s} {v} {s} {v}
msetnx {s} {v} {s} {v}|set {s} {v} xx get|set {s} {v} nx|setbit {s} {b} 1|setbit {s} {b} {i}
getbit {s} {b}|bitcount {s}|bitcount {s} {i} {i}|bitcount {s} {i} {i} bit|bitpos {s} 1
bitpos {s} 0|bitpos {s} 0 {i}|bitpos {s} 1 {i} {i}|bitpos {s} 0 {i} {i} bit|bitpos {k} 2
bitop and {s} {s} {s}|bitop or {s} {s} {k}|bitop xor {s} {s} {s} {s}|bitop not {s} {s}
bitop not {s} {s} {s}|bitop nand {s} {s}|bitfield {s} get u8 {b} get i5 #{i}
bitfield {s} set u8 {b} {n} get u8 {b}
bitfield {s} overflow sat incrby i8 {b} {i} overflow fail incrby u4 #1 {i}
bitfield {s} set i64 {b} {n}
bitfield {s} overflow sat set u6 {b} {i} set i6 {b} {i} overflow wrap set i7 {b} {n}|bitfield {k}
bitfield {s} incrby i64 {b} {n} overflow sat incrby i64 {b} {n} overflow fail incrby u63 #1 {n}
bitfield {s} get u64 0|bitfield {s} get i65 0|bitfield {s} set u8 x 1
bitfield {s} overflow no get u8 0|bitfield_ro {s} get u8 {b}|bitfield_ro {s} set u8 0 1
lcs {s} {s}|lcs {s} {k} len|lcs {s} {s} idx|lcs {s} {s} idx withmatchlen
lcs {s} {s} idx minmatchlen 2|lcs {s} {s} idx len|lcs {s} {s} minmatchlen {i}|getex {s}
substr {s} {i} {i}
'''
LISTS = '''
lpush {l} {v}|rpush {l} {v} {w}|lpushx {l} {v}|rpushx {l} {v}|lpop {l}|rpop {l}|lpop {l} {i}
rpop {l} 0|llen {k}|linsert {l} before {v} {w}|linsert {l} after {v} {w}|linsert {l} at {v} {w}
lrange {l} {i} {i}|lrange {l} 0 -1|lindex {l} {i}|lset {l} {i} {v}|ltrim {l} {i} {i}
lrem {l} {i} {v}|lpos {l} {v}|lpos {l} {v} rank {i}|lpos {l} {v} count {i}|lpos {l} {v} maxlen {i}
lmove {l} {l} left right|lmove {l} {l} right left|rpoplpush {l} {l}|lmpop 2 {l} {l} left count 2
blpop {l} 0.001|brpop {l} x|lmpop 0 {l} left
'''
SETS = '''
sadd {t} {e} {e}|srem {t} {e}|scard {k}|sismember {t} {e}|smismember {t} {e} {e}|smembers {t}
sinter {t} {t}|sunion {t} {t}|sdiff {t} {t}|sinterstore {t} {t} {t}|sunionstore {t} {t} {t}
sdiffstore {t} {t} {t}|sintercard 2 {t} {t}|sintercard 2 {t} {t} limit 1|sintercard 0 {t}
smove {t} {t} {e}
'''
HASHES = '''
hset {h} {e} {v}|hset {h} {e} {n} {e} {v}|hset {h} {e}|hsetnx {h} {e} {v}|hget {h} {e}
hmget {h} {e} {e}|hdel {h} {e}|hlen {k}|hexists {h} {e}|hgetall {h}|hkeys {h}|hvals {h}
hstrlen {h} {e}|hincrby {h} {e} {i}|hincrbyfloat {h} {e} {f}|hmset {h} {e} {v}
'''
ZSETS = '''
zadd {z} {f} {e}|zadd {z} {f} {e} {f} {e}|zadd {z} nx {f} {e}|zadd {z} gt ch {f} {e}
zadd {z} xx incr {f} {e}|zadd {z} nx gt {f} {e}|zadd {z} x {e}|zrem {z} {e}|zscore {z} {e}
zmscore {z} {e} {e}|zcard {k}|zrank {z} {e}|zrevrank {z} {e}|zincrby {z} {f} {e}
zcount {z} {f} {f}|zcount {z} ({f} +inf|zrange {z} {i} {i}|zrange {z} {i} {i} withscores
zrange {z} 0 -1 rev|zrange {z} {f} {f} byscore limit {i} {i}|zrangebyscore {z} {f} {f}
zrevrangebyscore {z} {f} -inf|zadd {q} 0 {e} 0 {e}|zrangebylex {q} [{e} +|zlexcount {q} - ({e}
zrevrangebylex {q} + ({e}|zremrangebylex {q} [{e} [{e}|zrange {q} - [{e} bylex limit 0 {i}
zrangebylex {q} {e} +|zpopmin {z}|zpopmax {z} {i}|zmpop 2 {z} {z} min count 2
zremrangebyscore {z} {f} {f}|zremrangebyrank {z} {i} {i}
zunionstore {z} 2 {z} {z} weights {f} {i} aggregate max|zinterstore {z} 2 {z} {t}
zdiff 2 {z} {z} withscores|zunion 2 {z} {z} withscores|zinter 2 {z} {z}|zintercard 2 {z} {z}
zrangestore {z} {z} {i} {i}|zdiffstore {z} 1 {z}
'''
PLACES = '''
geoadd {p} {o} {a} {e}|geoadd {p} {o} {a} {e} {o} {a} {e}|geoadd {p} nx {o} {a} {e}
geoadd {p} xx ch {o} {a} {e}|geoadd {p} nx xx {o} {a} {e}|geoadd {p} {o} {a} {e} {o} {a}
geoadd {k} {o} {a} {e}|zrange {p} 0 -1 withscores|zrem {p} {e}|geopos {p} {e} {e}|geopos {k}
geohash {p} {e} {e}|geodist {p} {e} {e}|geodist {p} {e} {e} km|geodist {p} {e} {e} {v}
geosearch {p} fromlonlat {o} {a} byradius {m} km asc
geosearch {p} fromlonlat {o} {a} byradius {m} mi desc withdist withcoord withhash
geosearch {p} frommember {e} bybox {m} {m} km asc count 2 withdist
geosearch {p} frommember {e} bybox {m} {m} ft desc count {i}
geosearch {p} fromlonlat {o} {a} bybox {m} {m} km asc withcoord|geosearch {p} frommember {e} asc
geosearch {p} fromlonlat {o} {a} byradius {m} km bybox 1 1 m|geosearch {p} byradius 1 m asc desc x
geosearch {p} frommember {e} byradius {m} {v}|geosearch {p} frommember {e} byradius {m} m any
geosearchstore {p} {p} fromlonlat {o} {a} byradius {m} km asc count 3
geosearchstore {z} {p} frommember {e} byradius {m} km storedist|geosearchstore {p} {p} frommember
geosearchstore {p} {p} frommember {e} byradius {m} km withdist
georadius {p} {o} {a} {m} km asc withdist|georadius {p} {o} {a} {m} km store {z}
georadius_ro {p} {o} {a} {m} km store {z}|georadiusbymember_ro {p} {e} {m} m desc
georadiusbymember {p} {e} {m} km asc withhash|georadiusbymember {p} {e} {m} km storedist {z}
georadius {p} {o} {a} {m} km withdist store {z}
'''
COUNTS = '''
pfadd {u} {e} {v}|pfadd {u} {n}|pfadd {u} {f} {w} {i} {b}|pfcount {u}|pfcount {u} {u} {u}
pfcount {k} {u}|pfmerge {u} {u} {u}|pfmerge {u} {k}|pfmerge {u}|type {u}|exists {u} {u}
'''
KEYS = '''
sort {l}|sort {l} alpha|sort {t} alpha desc|sort {z} alpha limit {i} {i}|sort {q} by nosort
sort {q} by nosort desc limit {i} {i}|sort {t} alpha get h*->a|sort {k}|sort_ro {l} alpha store x
sort {l} alpha store {l}|mset wa {n} w1 {f} w2 {i}|sort {l} by w*|rpush {l} 0 3 1 2
sort {l} by h*->a desc get h*->b get nothing|sadd {t} 0 3 1 2|sort {t} by w* store {k}
sort {t} by w* get w* desc|sort_ro {t} get s*|del {k}|unlink {k} {k}|exists {k} {k} {k}|type {k}
rename {k} {k}|renamenx {k} {k}|copy {k} {k}|copy {k} {k} replace|persist {k}|ttl {k}
expire {k} 1000|expire {k} {i} nx
expire {k} {e} {e}|expireat {k} {e} gt|pexpire {k} 100000 gt|dbsize|touch {k}|keys *
nosuchcommand {k}
get|ping {v}|echo {v}|select 0|select 99|wait 0 0|wait x 0|wait 0 -1|role|cluster info|readonly
move {k} 0|move {k} x|swapdb 0 0|swapdb 0 99|sort {l} by w* get w* get #|sort {l} desc limit 1 x
sort {q} by nosort get # store {l}
'''
# What exists, and commands on it and on keys that do not: how many keys did each of them look at?
MADE = '''
set a 1|set b bits|hset h f 1|rpush l 1 2 3|sadd t 1 2|zadd z 1 a 2 b|geoadd p 1 1 x|pfadd u 1
'''
LOOKS = '''
get a|get none|mget a none b a|exists a a none|strlen a|strlen none|getrange b 0 1|getbit b 1
bitcount b|bitcount none|bitpos b 1|bitfield_ro b get u8 0|ttl a|ttl none|pttl a|type a|type none
expiretime a|touch a none|dump a|dump none|hget h f|hget none f|hget h none|hmget h f g|hgetall h
hgetall none|hlen h|hexists h f|hkeys h|hvals h|hstrlen h f|hrandfield h|hscan h 0|llen l|llen none
lindex l 0|lrange l 0 -1|lrange none 0 -1|lpos l 1|scard t|scard none|smembers t|smembers none
sismember t 1|smismember t 1 2 3|srandmember t|sscan t 0|sinter t t|sinter none t|sunion t none
sdiff t none|sintercard 2 t t|zcard z|zscore z a|zmscore z a b c|zrank z a|zrank none a|zcount z 0 9
zrange z 0 -1|zrange none 0 -1|zrangebyscore z 0 9|zrevrange z 0 -1|zlexcount z - +|zscan z 0
zrandmember z|zunion 2 z none|zinter 2 z z|zdiff 2 z none|geopos p x|geodist p x x|geohash p x
geosearch p frommember x byradius 9 m|pfcount u|pfcount u none|lcs a b|smembers long|sunion long t
lrange longlist 0 -1|sort_ro longlist|sort_ro none|get t|llen t|dbsize|keys *|scan 0|randomkey|ping
set a 1|set none2 1|del none2|del none|incr a|append a 2|sadd t 1|srem t none|hset h f 2|lpush l 1
rpop l|zadd z 3 c|zrem z c|expire a 1000|persist a|setnx a 2|setrange a 0 1|zincrby z 1 a|mset a 1
'''
FAMILIES = (STRINGS, LISTS, SETS, HASHES, ZSETS, PLACES, COUNTS, KEYS)
ANY_ORDER = {'smembers', 'sinter', 'sunion', 'sdiff', 'hkeys', 'hvals', 'keys'}
PAIRS = {'hgetall'}
# Commands whose words are told otherwise than by Redis 7.0, which leaves some out; or are others.
OTHER_WORDS = {'bitop', 'client|kill', 'client|tracking', 'cluster', 'command|getkeys',
               'command|getkeysandflags', 'geohash', 'geopos', 'pfmerge', 'zrangestore'}


def setUpModule():
    path = redis_server()
    node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', '--set', f'gate.tiles={TILES}')
    unittest.addModuleCleanup(node.remove)
    BOTH.update(ours=port_of(node), redis=path)


OF_LONG = '''
zrange {z} 0 {n}|zrange {z} -{n} -1 rev withscores|zrevrange {z} 0 {n}|zrange {z} {i} {i}
zrangebyscore {z} {a} {b} limit 0 {n}|zrevrangebyscore {z} {b} {a} withscores limit 3 {n}
zrangebyscore {z} {a} {b}|zcount {z} {a} {b}|zpopmin {z}|zpopmax {z}|zpopmin {z} {p}|zpopmax {z} 70
zadd {z} {s} {m}|zincrby {z} -3 {m}|zrem {z} {m}|zremrangebyrank {z} 0 3|zrank {z} {m}
zmpop 1 {z} max count 5
'''.strip().replace('\n', '|').split('|')


class Talk:
    """Two connections that are told the same."""

    def __init__(self, resp3=False):
        self.ours, self.redis = Raw(BOTH['ours']), Raw(path=BOTH['redis'])
        if resp3:
            self.ours('hello', 3)
            self.redis('hello', 3)

    def __call__(self, *words):
        for c in (self.ours, self.redis):
            c.say(*words)
        return tuple(comparable(words, c.answer()) for c in (self.ours, self.redis))

    def close(self):
        self.ours.close()
        self.redis.close()


def comparable(words, reply):
    name = words[0].lower()
    if isinstance(reply, list) and name in ANY_ORDER:
        return sorted(reply)
    if isinstance(reply, list) and name in PAIRS:
        return sorted(zip(reply[::2], reply[1::2]))
    return reply


class Chance:
    """Commands by chance."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.templates = [[t for line in family.split('\n') for t in line.split('|') if t]
                          for family in FAMILIES]

    def word(self, kind):
        r = self.random
        if kind in 'sltzh':
            kind = kind if r.random() < 0.97 else r.choice('sltzh')
            return f'{kind}{r.randrange(4)}'
        if kind == 'q':     # all of one score: else ranges of bytes mean nothing
            return f'q{r.randrange(2)}'
        if kind in 'pu':
            return f'{kind}{r.randrange(2)}'
        if kind == 'o':
            return r.choice(('13.361389', '0', '-73.97', 'x', '181', f'{r.uniform(-120, 120):.6f}',
                             f'{r.uniform(10, 20):.6f}'))
        if kind == 'a':
            return r.choice(('38.115556', '0', '86', f'{r.uniform(-60, 60):.6f}',
                             f'{r.uniform(30, 40):.6f}'))
        if kind == 'm':
            return r.choice(('0', '1', '100', '1500.5', '-1', 'x', str(r.randrange(3000))))
        if kind == 'k':
            return f'{r.choice("sltzhx")}{r.randrange(4)}'
        if kind == 'n':
            return r.choice(('0', '1', '-1', '255', '-128', '9223372036854775807', '12x',
                             '-9223372036854775808', '1000000', str(r.randrange(-1000, 1000))))
        if kind == 'i':
            return str(r.choice((0, 1, -1, 2, -2, 3, 5, -5, 100, -100)))
        if kind == 'f':
            return r.choice(('0', '1', '-1', '2.5', '1e3', 'inf', '-inf', '3', '-0.5'))
        if kind == 'b':
            return str(r.choice((0, 1, 7, 8, 9, 15, 23, 40, r.randrange(100))))
        if kind == 'e':
            return r.choice(('a', 'b', 'c', 'd', 'e', '1', '2', 'a b'))
        return r.choice(('', 'a', 'abc', '10', '-3', '3.0e3', 'hello world', '\r\n', 'ohmytext',
                         'mynewtext', 'x' * r.randrange(300), 'abcabcabd'))

    def command(self):
        template = self.random.choice(self.random.choice(self.templates))
        return [re.sub(r'\{(.)\}', lambda m: self.word(m.group(1)), w) for w in template.split(' ')]


def pairs(reply):
    return dict(zip(reply[::2], reply[1::2]))


def shown(argument):
    """A word of COMMAND DOCS as people read it."""
    a = pairs(argument)
    kind, flags = a[b'type'], a.get(b'flags', [])
    inner = [shown(x) for x in a.get(b'arguments', [])]
    text = ('|' if kind == b'oneof' else ' ').join(inner) if inner else a[b'name'].decode()
    text = a[b'token'].decode() if kind == b'pure-token' else text
    token = a[b'token'].decode() + ' ' if b'token' in a and kind != b'pure-token' else ''
    once = token + text
    if '+multiple' in flags:
        once += f' [{once if "+multiple_token" in flags else text} ...]'
    return f'[{once}]' if '+optional' in flags else once


def every_word(talk):
    """{command: the text of its words}, subcommands too."""
    out = {}
    rows = pairs(talk('command', 'docs'))
    for row in list(rows.values()):
        rows.update(pairs(pairs(row).get(b'subcommands', [])))
    for name, row in rows.items():
        out[name.decode()] = ' '.join(map(shown, pairs(row).get(b'arguments', [])))
    return out


def looks(talk):
    """(there, not there) of ours, and of Redis, that INFO counts."""
    said = [c('info', 'stats').decode() for c in (talk.ours, talk.redis)]
    return tuple(tuple(int(of.split(f'keyspace_{name}:')[1].split()[0])
                       for name in ('hits', 'misses')) for of in said)


class Beside(unittest.TestCase):
    maxDiff = None
    def same(self, resp3):
        chance, talk, said, wrong = Chance(SEED), Talk(resp3), [], {}
        self.addCleanup(talk.close)
        for i in range(COUNT):
            if i % FLUSH_EVERY == 0:
                talk('flushall')
                said = []
            words = chance.command()
            said.append(words)
            ours, redis = talk(*words)
            if ours != redis:   # they are no more the same: both begin anew
                wrong.setdefault(words[0], f'command {i}\n' + '\n'.join(map(repr, said[-9:])) +
                                 f'\nours:  {ours!r}\nredis: {redis!r}')
                talk('flushall')
                said = []
        self.assertFalse(wrong, f'SEED={SEED}\n\n' + '\n\n'.join(wrong.values()))

    def test_resp2(self):
        self.same(False)

    def test_resp3(self):
        self.same(True)

    def test_in_transactions(self):
        """Each is answered for itself, in its place, and sees what is written before it."""
        chance, talk, wrong = Chance(SEED), Talk(), []
        self.addCleanup(talk.close)
        for i in range(COUNT // 30):
            if i % 5 == 0 or wrong:
                talk('flushall')
            talk('multi')
            said = [chance.command() for _ in range(chance.random.choice((1, 2, 5, 20, 80)))]
            told = [talk(*words) for words in said]
            wrong += [(i, words, *both) for words, both in zip(said, told) if both[0] != both[1]]
            talk('discard')
            talk('multi')   # without those that were refused
            said = [words for words, both in zip(said, told) if both[0] == both[1] == '+QUEUED']
            for words in said:
                talk(*words)
            ours, redis = talk('exec')
            self.assertEqual((len(ours), len(redis)), (len(said), len(said)))
            told = [[comparable(*one) for one in zip(said, replies)] for replies in (ours, redis)]
            wrong += [(i, *one) for one in zip(said, *told) if one[1] != one[2]]
        self.assertEqual(wrong, [], f'SEED={SEED}')

    def test_long_sorted_sets(self):
        """Those that are trees are not gone through for the first ones, or a few scores: whatever
        order the scores have to that of the members, and with writes and pops between."""
        talk, r = Talk(), random.Random(SEED)
        self.addCleanup(talk.close)
        scores = {'any': lambda i: r.randrange(LONG * 100), 'few': lambda i: r.randrange(4),
                  'one': lambda i: 7, 'up': lambda i: i, 'down': lambda i: -i}
        for key, score in scores.items():
            for i in range(0, LONG, 50):
                talk('zadd', key, *[w for j in range(i, i + 50) for w in (score(j), f'm{j:05}')])
            for _ in range(COUNT // 15):
                i = r.randrange(LONG)
                words = r.choice(OF_LONG).format(
                    z=key, i=i, m=f'm{i:05}', s=score(i), n=r.choice((1, 2, 10, 64, 100, 3000)),
                    p=r.choice((2, 30, 100)),
                    a=r.choice(('-inf', f'({score(i)}', score(i))),
                    b=r.choice(('+inf', f'({score(i)}', score(i)))).split()
                ours, redis = talk(*words)
                self.assertEqual(ours, redis, (SEED, words))

    def test_an_infinite_increment_goes_with_its_member(self):
        talk = Talk()
        self.addCleanup(talk.close)
        talk('flushall')
        for way in ('zrem endless a', 'del endless', 'zpopmin endless', 'zadd endless 3 a',
                    'zremrangebyscore endless -inf inf', 'zincrby endless inf a'):
            for words in ('zincrby endless -inf a', 'zincrby endless -inf a',
                          'zincrby endless inf a', 'zincrby endless 5 a', way,
                          'zscore endless a', 'zincrby endless 1 a', 'zincrby endless inf a',
                          'zscore endless a', 'zrange endless 0 -1 withscores', 'del endless'):
                ours, redis = talk(*words.split())
                self.assertEqual(ours, redis, (way, words))

    def test_looks_of_who_only_reads_are_counted_alike(self):
        talk, wrong = Talk(), {}
        self.addCleanup(talk.close)
        talk('flushall')
        for words in MADE.strip().split('|'):
            talk(*words.split())
        talk('sadd', 'long', *range(2000))      # is gone through in turns
        talk('rpush', 'longlist', *range(2000))
        for words in LOOKS.strip().replace('\n', '|').split('|'):
            before = looks(talk)
            talk(*words.split())
            ours, redis = (tuple(b - a for a, b in zip(*of)) for of in zip(before, looks(talk)))
            if ours != redis:
                wrong[words] = ours, redis
        self.assertEqual(wrong, {}, 'there, and not there: ours, and those of Redis')
        talk('config', 'resetstat')
        self.assertEqual(looks(talk), ((0, 0), (0, 0)))

    def test_docs_show_the_same_words(self):
        talk = Talk()
        self.addCleanup(talk.close)
        ours, redis = every_word(talk.ours), every_word(talk.redis)
        self.assertEqual(ours['set'].split(' [EX ')[0], 'key value [NX|XX] [GET]')
        wrong = {name: (ours[name], redis[name])
                 for name in ours.keys() & redis.keys() - OTHER_WORDS if ours[name] != redis[name]}
        self.assertEqual(wrong, {})

    def test_every_command_is_served_or_named(self):
        talk = Talk()
        self.addCleanup(talk.close)
        served = set(talk.ours('command', 'list'))
        with open(f'{SOURCE}/gate/DIFFERENCES.md', encoding='utf-8') as f:
            named = set(re.findall(r'[A-Z][A-Z_]+', ' '.join(re.findall('`([^`]*)`', f.read()))))
        gone = [name.decode() for name in talk.redis('command', 'list')
                if b'|' not in name and name not in served and
                name.decode().upper().replace('-', '_') not in named]
        self.assertEqual(gone, [], 'neither served nor on the page of differences')


if __name__ == '__main__':
    print(f'SEED={SEED}')
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
