/* SPDX-License-Identifier: Apache-2.0 */
/* gate_out - replies on their way out
 *
 * A list of chunks from the gate's memory. What is sent is named in place, at most STREAM_IOV_MAX
 * of them at once; a long value is a chunk that names the cache's own memory, kept by a hazard slot
 * until the kernel has it, or has given it back (gate_lend.c). So no reply is moved once it is
 * written.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "compiler.h"
#include "gate_head.h"
#include "gate_int.h"
#include "gate_memory.h"
#include "gate_mute.h"
#include "gate_tls.h"

static _Thread_local uint8_t
	bin[GATE_CHUNK_BYTES]; /* what is written to a connection without memory; never read */

/* Whether its bytes lie in memory that is not its own. */
static bool
elsewhere(const struct gate_chunk *k)
{
	return k->slot != CACHE_SLOT_NONE || k->handle != 0;
}

void
gate_chunk_free(struct gate *g, struct gate_chunk *k)
{
	if (k->slot != CACHE_SLOT_NONE) {
		struct cache_value v = { .slot = k->slot };

		cache_view_release(&g->view, &v);
		g->held_cnt--;
	}
	if (k->handle != 0) {
		payload_release(g->inner.pool, k->handle, PROC_DAEMON);
	}
	heap_free(g->heap, k, sizeof(*k) + k->cap);
}

void
gate_out_lost(struct gate_conn *c)
{
	c->unfit = false;
	c->last = true;
	c->out.bytes = SIZE_MAX / 2;
}

/* Whether what is written now goes to the bin. */
static bool
nowhere(const struct gate_conn *c)
{
	return gate_mute(c) || (c->unfit && !c->pushing);
}

static struct gate_chunk *
chunk_add(struct gate *g, struct gate_conn *c, uint32_t cap)
{
	bool undoable = c->undoable && !c->pushing;
	struct gate_chunk *k;

	if (unlikely(nowhere(c))) {
		return NULL;
	}
	k = gate_memory_take(g, c, sizeof(*k) + cap,
			     undoable ? MEMORY_REPLY : MEMORY_REPLY | MEMORY_MUST);
	if (k == NULL && undoable) {
		gate_memory_unfit(c, gate_memory_held(c) + sizeof(*k) + cap);
		return NULL;
	}
	if (k == NULL) {
		gate_out_lost(c);
		return NULL;
	}
	*k = (struct gate_chunk){ .p = k->data, .cap = cap, .slot = CACHE_SLOT_NONE };
	if (c->out.tail != NULL) {
		c->out.tail->next = k;
	} else {
		c->out.head = k;
	}
	c->out.tail = k;
	return k;
}

/* One reply and a little is what most connections ever need at once; one message, which may be a
 * little more, each of ten thousand listeners. */
static uint32_t
cap_next(const struct gate_chunk *tail)
{
	uint32_t most = GATE_CHUNK_BYTES - sizeof(*tail);

	if (tail == NULL) {
		return GATE_CHUNK_SMALL;
	}
	return elsewhere(tail) ? most : MIN(4 * tail->cap, most);
}

/* Room for len <= GATE_CHUNK_BYTES bytes at the end of the replies, written with out_wrote. The
 * connection ends when there is no memory; the room is then a bin. */
static struct wbuf
out_room(struct gate *g, struct gate_conn *c, size_t len)
{
	struct gate_chunk *k = c->out.tail;

	REQUIRE(len <= GATE_CHUNK_BYTES);
	if (unlikely(nowhere(c))) {
		return wbuf_init(bin, sizeof(bin));
	}
	if (k == NULL || k->cap - k->len < len || elsewhere(k)) {
		k = chunk_add(g, c, MAX(cap_next(k), (uint32_t)len));
		if (k == NULL) {
			return wbuf_init(bin, sizeof(bin));
		}
	}
	return wbuf_init(k->data + k->len, k->cap - k->len);
}

static void
out_wrote(struct gate *g, struct gate_conn *c, const struct wbuf *w)
{
	struct gate_chunk *k = c->out.tail;

	if (k == NULL || w->p != k->data + k->len) {
		return; /* it went to the bin */
	}
	REQUIRE(!w->full);
	k->len += (uint32_t)w->len;
	c->out.bytes += w->len;
}

void
gate_out_bytes(struct gate *g, struct gate_conn *c, const void *p, size_t len)
{
	while (len > 0) {
		size_t n = MIN(len, GATE_CHUNK_BYTES - sizeof(struct gate_chunk));
		struct gate_chunk *k = c->out.tail;
		struct wbuf w;

		if (k != NULL && !elsewhere(k) && k->cap > k->len) {
			n = MIN(n, (size_t)(k->cap - k->len));
		}
		w = out_room(g, c, n);
		wbuf_put(&w, p, n);
		out_wrote(g, c, &w);
		p = (const uint8_t *)p + n;
		len -= n;
	}
}

static void
out_value(struct gate *g, struct gate_conn *c, struct slice bytes, struct cache_value *v)
{
	struct gate_chunk *k;

	if (bytes.len < GATE_HOLD_MIN || v->slot == CACHE_SLOT_NONE ||
	    g->held_cnt >= GATE_HOLD_CNT) {
		gate_out_bytes(g, c, bytes.p, bytes.len);
		return;
	}
	k = chunk_add(g, c, 0);
	if (k != NULL) {
		k->p = bytes.p;
		k->len = (uint32_t)bytes.len;
		k->slot = v->slot;
		v->slot = CACHE_SLOT_NONE;
		g->held_cnt++;
		c->out.bytes += bytes.len;
	}
}

static bool
out_kept(struct gate *g, struct gate_conn *c, struct slice bytes)
{
	struct gate_chunk *k;

	if (c->keep_ref.handle == 0 ||
	    payload_hold(g->inner.pool, c->keep_ref.handle, PROC_DAEMON) != 0) {
		return false;
	}
	k = chunk_add(g, c, 0);
	if (k == NULL) {
		payload_release(g->inner.pool, c->keep_ref.handle, PROC_DAEMON);
		return true; /* as of any reply that there is no memory for */
	}
	c->keep_given = true;
	k->p = bytes.p;
	k->len = (uint32_t)bytes.len;
	k->handle = c->keep_ref.handle;
	c->out.bytes += bytes.len;
	return true;
}

struct gate_mark
gate_out_mark(const struct gate_conn *c)
{
	return (struct gate_mark){ c->out.tail, c->out.tail != NULL ? c->out.tail->len : 0,
				   c->out.bytes, true };
}

void
gate_out_back(struct gate *g, struct gate_conn *c, const struct gate_mark *mark)
{
	struct gate_chunk *k = mark->tail != NULL ? mark->tail->next : c->out.head, *next;

	for (; k != NULL; k = next) {
		next = k->next;
		c->hole = k == c->hole ? NULL : c->hole;
		gate_chunk_free(g, k);
	}
	c->out.tail = mark->tail;
	if (mark->tail != NULL) {
		mark->tail->next = NULL;
		mark->tail->len = mark->len;
	} else {
		c->out.head = NULL;
	}
	c->out.bytes = mark->bytes;
}

/* A place in the replies; k NULL: behind all of them. */
struct place {
	struct gate_chunk *k;
	uint32_t at;
};

static bool
place_on(struct place *p)
{
	while (p->k != NULL && p->at == p->k->len && p->k->next != NULL) {
		p->k = p->k->next;
		p->at = 0;
	}
	return p->k != NULL && p->at < p->k->len;
}

static void
place_skip(struct place *p, size_t bytes)
{
	while (bytes > 0 && place_on(p)) {
		uint32_t n = (uint32_t)MIN(bytes, (size_t)(p->k->len - p->at));

		p->at += n;
		bytes -= n;
	}
}

static uint8_t
place_byte(struct place *p)
{
	return place_on(p) ? p->k->p[p->at++] : '\n';
}

/* Goes over one value, as we wrote it, or over the head of an array. Returns: how many values
 * follow, that are its. */
static size_t
place_value(struct place *p)
{
	const uint8_t kind = place_byte(p);
	bool none = false;
	size_t n = 0;
	uint8_t byte;

	while ((byte = place_byte(p)) != '\n') {
		none |= byte == '-';
		n = byte >= '0' && byte <= '9' ? 10 * n + (byte - '0') : n;
	}
	if (none) {
		return 0;
	}
	if (kind == '$') {
		place_skip(p, n + 2);
	}
	return kind == '*' ? n : 0;
}

void
gate_out_keep(struct gate *g, struct gate_conn *c, size_t cnt)
{
	struct place p = { c->part == 0 ? c->hole->next : c->mark.tail,
			   c->part == 0 ? 0 : c->mark.len };
	struct gate_chunk *k, *next;

	for (; cnt > 0 && place_on(&p); cnt--) {
		cnt += place_value(&p);
	}
	if (p.k == NULL) {
		return; /* it was lost before */
	}
	c->out.bytes -= p.k->len - p.at + c->hole->len;
	p.k->len = p.at;
	c->hole->len = 0;
	for (k = p.k->next; k != NULL; k = next) {
		next = k->next;
		c->out.bytes -= k->len;
		gate_chunk_free(g, k);
	}
	c->out.tail = p.k;
	p.k->next = NULL;
}

struct gate_chunk *
gate_out_hole(struct gate *g, struct gate_conn *c)
{
	struct gate_chunk *hole = chunk_add(g, c, RESP_ITEM_MAX);

	if (hole != NULL) {
		chunk_add(g, c, GATE_CHUNK_BYTES - sizeof(*hole)); /* what comes is behind it */
	}
	return hole;
}

void
gate_out_fill(struct gate *g, struct gate_conn *c, struct gate_chunk *hole, const struct wbuf *w)
{
	if (hole != NULL) {
		REQUIRE(w->len <= hole->cap);
		memcpy(hole->data, w->p, w->len);
		hole->len = (uint32_t)w->len;
		c->out.bytes += w->len;
	}
}

void
gate_out_fill_array(struct gate *g, struct gate_conn *c, struct gate_chunk *hole, size_t cnt)
{
	uint8_t head[RESP_ITEM_MAX];
	struct wbuf w = wbuf_init(head, sizeof(head));

	resp_put_array(&w, cnt);
	gate_out_fill(g, c, hole, &w);
}

size_t
gate_out_due(const struct gate_conn *c)
{
	if (c->mark.set || c->run != NULL) {
		return 0;
	}
	return !c->quiet ? c->out.bytes : c->from.set ? c->from.bytes : 0;
}

void
gate_out_flush(struct gate *g, struct gate_conn *c)
{
	struct iovec iov[STREAM_IOV_MAX];
	uint32_t cnt = 0;
	size_t len = 0, most = MIN(gate_out_due(c), (size_t)GATE_SEND_MAX);
	struct gate_chunk *lend = NULL;
	int err;

	if (c->tls != NULL) {
		gate_tls_flush(g, c);
		return;
	}
	if (c->sending || most == 0) {
		return;
	}
	for (struct gate_chunk *k = c->out.head; k != NULL && cnt < STREAM_IOV_MAX && len < most;
	     k = k->next) {
		if (k->len > k->sent) {
			if (gate_lend_due(g, c, k)) { /* for itself */
				lend = k;
				break;
			}
			iov[cnt].iov_base = (void *)(uintptr_t)(k->p + k->sent);
			iov[cnt].iov_len = MIN((size_t)(k->len - k->sent), most - len);
			len += iov[cnt++].iov_len;
		}
	}
	if (cnt == 0 && lend == NULL) {
		return;
	}
	err = cnt > 0 ? stream_send(g->stream, c->id, iov, cnt, lend != NULL)
		      : gate_lend(g, c, lend);
	if (err == 0) {
		c->sending = true;
	} else {
		gate_conn_later(g, c);
	}
}

/* All of the chunk that a mark stands in is out: it is freed, or begins anew. */
static void
mark_passed(struct gate_mark *mark, const struct gate_chunk *k, bool freed)
{
	if (mark->tail == k) {
		mark->tail = freed ? NULL : mark->tail;
		mark->len = 0;
	}
}

void
gate_out_sent(struct gate *g, struct gate_conn *c, size_t len)
{
	g->tally.total.tx_bytes += len;
	c->out.bytes -= MIN(len, c->out.bytes);
	c->mark.bytes -= MIN(len, c->mark.bytes); /* a send that was under way before it */
	c->from.bytes -= MIN(len, c->from.bytes);
	while (c->out.head != NULL) {
		struct gate_chunk *k = c->out.head;
		size_t n = MIN(len, (size_t)(k->len - k->sent));

		k->sent += (uint32_t)n;
		len -= n;
		if (k->sent < k->len || (k == c->hole && k->len == 0)) {
			return; /* also at a place that is kept free: the head is to come */
		}
		if (k->next == NULL && (!elsewhere(k) && k->cap <= GATE_CHUNK_SMALL)) {
			k->len = 0; /* a small one is kept for the next reply */
			k->sent = 0;
			mark_passed(&c->mark, k, false);
			mark_passed(&c->from, k, false);
			return;
		}
		mark_passed(&c->mark, k, true);
		mark_passed(&c->from, k, true);
		c->out.head = k->next;
		if (k->next == NULL) {
			c->out.tail = NULL;
		}
		gate_lend_sent(g, c, k);
	}
}

void
gate_out_drop(struct gate *g, struct gate_conn *c)
{
	struct gate_mark none = { 0 };

	gate_out_back(g, c, &none);
	gate_lend_drop(g, c);
	gate_push_drop(g, c);
}

/* ------------------------------------------------------------------------ messages */

static void
lists_swap(struct gate_conn *c)
{
	struct gate_out out = c->out;

	c->out = c->pushed;
	c->pushed = out;
}

void
gate_push_begin(struct gate_conn *c)
{
	c->pushing = true;
	lists_swap(c);
}

void
gate_push_drop(struct gate *g, struct gate_conn *c)
{
	struct gate_mark none = { 0 };

	lists_swap(c);
	gate_out_back(g, c, &none);
	lists_swap(c);
}

void
gate_push_end(struct gate *g, struct gate_conn *c)
{
	c->pushing = false;
	lists_swap(c);
	if (c->pushed.bytes > g->cfg.backlog_bytes) {
		c->last = true; /* it is told no more */
		gate_conn_reset(g, c);
	} else {
		gate_conn_told(g, c);
	}
}

void
gate_push_out(struct gate_conn *c)
{
	if (c->pushed.bytes == 0 || c->out.bytes != 0) {
		return; /* first what is before them */
	}
	if (c->out.tail != NULL) {
		c->out.tail->next = c->pushed.head;
	} else {
		c->out.head = c->pushed.head;
	}
	c->out.tail = c->pushed.tail;
	c->out.bytes += c->pushed.bytes;
	c->pushed = (struct gate_out){ 0 };
}

/* ------------------------------------------------------------------------ replies */

/* A reply of a few bytes, written by fn(&w, ...). */
#define REPLY(g, c, len, call)                                                                     \
	do {                                                                                       \
		struct wbuf w = out_room(g, c, len);                                               \
		call;                                                                              \
		out_wrote(g, c, &w);                                                               \
	} while (0)

void
gate_ok(struct gate *g, struct gate_conn *c)
{
	REPLY(g, c, RESP_ITEM_MAX, wbuf_put(&w, "+OK\r\n", 5));
}

void
gate_simple(struct gate *g, struct gate_conn *c, const char *text)
{
	REPLY(g, c, strlen(text) + 3, resp_put_simple(&w, text));
}

void
gate_int(struct gate *g, struct gate_conn *c, int64_t n)
{
	REPLY(g, c, RESP_ITEM_MAX, resp_put_int(&w, n));
}

void
gate_bulk(struct gate *g, struct gate_conn *c, struct slice bytes)
{
	if (bytes.len <= 1024) {
		REPLY(g, c, bytes.len + RESP_ITEM_MAX, resp_put_bulk(&w, bytes));
		return;
	}
	REPLY(g, c, RESP_ITEM_MAX, resp_put_bulk_head(&w, bytes.len));
	gate_out_bytes(g, c, bytes.p, bytes.len);
	REPLY(g, c, RESP_ITEM_MAX, resp_put_end(&w));
}

void
gate_bulk_kept(struct gate *g, struct gate_conn *c, struct slice bytes)
{
	REPLY(g, c, RESP_ITEM_MAX, resp_put_bulk_head(&w, bytes.len));
	if (!out_kept(g, c, bytes)) {
		gate_out_bytes(g, c, bytes.p, bytes.len);
	}
	REPLY(g, c, RESP_ITEM_MAX, resp_put_end(&w));
}

void
gate_bulk_value(struct gate *g, struct gate_conn *c, struct slice bytes, struct cache_value *v)
{
	if (bytes.len <= 1024) {
		gate_bulk(g, c, bytes);
		return;
	}
	REPLY(g, c, RESP_ITEM_MAX, resp_put_bulk_head(&w, bytes.len));
	out_value(g, c, bytes, v);
	REPLY(g, c, RESP_ITEM_MAX, resp_put_end(&w));
}

void
gate_text(struct gate *g, struct gate_conn *c, struct slice text)
{
	REPLY(g, c, RESP_ITEM_MAX, resp_put_text_head(&w, c->proto, text.len));
	gate_out_bytes(g, c, text.p, text.len);
	REPLY(g, c, RESP_ITEM_MAX, resp_put_end(&w));
}

void
gate_text_str(struct gate *g, struct gate_conn *c, const char *text)
{
	gate_text(g, c, slice_of(text, strlen(text)));
}

void
gate_bulk_str(struct gate *g, struct gate_conn *c, const char *text)
{
	gate_bulk(g, c, slice_of(text, strlen(text)));
}

void
gate_null(struct gate *g, struct gate_conn *c)
{
	REPLY(g, c, RESP_ITEM_MAX, resp_put_null(&w, c->proto));
}

void
gate_null_array(struct gate *g, struct gate_conn *c)
{
	REPLY(g, c, RESP_ITEM_MAX, resp_put_null_array(&w, c->proto));
}

void
gate_array(struct gate *g, struct gate_conn *c, size_t cnt)
{
	REPLY(g, c, RESP_ITEM_MAX, resp_put_array(&w, cnt));
}

void
gate_map(struct gate *g, struct gate_conn *c, size_t cnt)
{
	REPLY(g, c, RESP_ITEM_MAX, resp_put_map(&w, c->proto, cnt));
}

void
gate_set(struct gate *g, struct gate_conn *c, size_t cnt)
{
	REPLY(g, c, RESP_ITEM_MAX, resp_put_set(&w, c->proto, cnt));
}

void
gate_push_head(struct gate *g, struct gate_conn *c, size_t cnt)
{
	REPLY(g, c, RESP_ITEM_MAX, resp_put_push(&w, c->proto, cnt));
}

void
gate_double(struct gate *g, struct gate_conn *c, double x)
{
	REPLY(g, c, 2 * RESP_ITEM_MAX, resp_put_double(&w, c->proto, x));
}

/* What comes when all places are taken is counted in the sum only. */
void
gate_error_counted(struct gate_tally *t, const char *text, uint64_t cnt)
{
	struct gate_errors *e = t->error;
	size_t len = MIN(strcspn(text, " "), sizeof(e->word) - 1);

	while (e < t->error + GATE_ERROR_CNT && e->cnt > 0 &&
	       (strlen(e->word) != len || memcmp(e->word, text, len) != 0)) {
		e++;
	}
	if (e < t->error + GATE_ERROR_CNT) {
		memcpy(e->word, text, len);
		e->word[len] = '\0';
		e->cnt += cnt;
	}
}

int
gate_error(struct gate *g, struct gate_conn *c, const char *text)
{
	g->tally.total.error_cnt++;
	gate_error_counted(&g->tally, text, 1);
	if (c->command != NULL) {
		gate_stat_of(g, c->command)->failed++;
	}
	REPLY(g, c, strlen(text) + 3, resp_put_error(&w, text));
	return GATE_DONE;
}

int
gate_error_f(struct gate *g, struct gate_conn *c, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return gate_error(g, c, text);
}

int
gate_error_of(struct gate *g, struct gate_conn *c, int err)
{
	switch (err) {
	case MB_ERR_TYPE:
		return gate_error(
			g, c, "WRONGTYPE Operation against a key holding the wrong kind of value");
	case MB_ERR_NO_MEMORY:
		return gate_error(g, c, "OOM command not allowed when used memory > 'maxmemory'.");
	case MB_ERR_TRYAGAIN:
		return gate_error(g, c, "TRYAGAIN the key is being changed by others all the time");
	case MB_ERR_TOO_LARGE:
		return gate_error(g, c,
				  "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
	case GATE_ERR_UNFIT:
		return gate_error(g, c,
				  "OOM the value is longer than cache.bytes, and this needs it "
				  "there");
	case GATE_ERR_KEY:
		return gate_error_f(g, c, "ERR a key has 1 to %d bytes here", KEY_BYTES_MAX);
	case GATE_ERR_FIELD:
		return gate_error_f(g, c,
				    "ERR a field of a hash, or member of a sorted set, has up to "
				    "%d bytes here",
				    WSET_FIELD_MAX);
	default:
		return gate_error_f(g, c, "%s %s", mb_err_name(err), mb_err_text(err));
	}
}
