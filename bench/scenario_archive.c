/* archive: pairs chat, every message acknowledged (phase "write": XEP-0198; latency is from a
 * message to the acknowledgement that counts it). Then one pair fills its archives to --messages,
 * and pages through them whole: backwards that of the receiver, forwards that of the sender
 * (phases "page back" and "page on": XEP-0313). Each message must come once and in order. */
#include "bench.h"

#include "base/bug.h"
#include "outbox.h"
#include "pacer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define WARM_UP_SECONDS  1
#define PATIENCE_SECONDS 600
#define PAGE             50
#define PAGE_TEXT        "50"
#define MESSAGES         1000
#define FILL_WINDOW      256 /* messages under way while the archive is filled */
#define ID_MAX           128 /* of an archive id */
#define DISCO_ID         "disco"

enum step { STEP_ANCHOR, STEP_WRITE, STEP_FILL, STEP_DRAIN, STEP_BACK, STEP_ON };

static struct {
	struct outbox *boxes;
	unsigned n, next;       /* next: in turn, at a fixed rate */
	enum step step;
} archive;

/* Paging through the archive of one user of the first pair. */
static struct {
	struct peer *reader;
	uint64_t total;         /* messages of this run that it must hold */
	uint64_t next;          /* back: numbers from here on were seen; on: those below */
	uint64_t first, n;      /* of the page that comes */
	char at[ID_MAX];        /* archive id where the next page begins; empty: at an end */
	char anchor[ID_MAX];    /* of the sender's last message before this run; empty: none */
	char ids[2][ID_MAX];    /* of the first and the last message of the page */
	uint64_t asked_ns;
	unsigned query;
	bool over;
} page;

/* ---- writing ---- */

static struct outbox *box_of(struct peer *p)
{
	return &archive.boxes[peer_index(p) / 2];
}

static void send_one(struct outbox *o, uint64_t due)
{
	if (!outbox_send(o, due))
		bench_error(bench_of(o->from), "%s: the server does not acknowledge", o->from->user);
}

static bool may_send(struct bench *b, struct outbox *o)
{
	switch (archive.step) {
	case STEP_WRITE:
		return b->o.rate == 0 && outbox_waiting(o) < b->o.window;
	case STEP_FILL:
		return o == archive.boxes && o->line.sent < b->o.messages &&
		       outbox_waiting(o) < FILL_WINDOW;
	default:
		return false;
	}
}

static void send_more(struct bench *b, struct outbox *o)
{
	while (may_send(b, o))
		send_one(o, now_ns());
	/* The last ones would wait for company. */
	if (archive.step == STEP_FILL && o->line.sent == b->o.messages && o->from->sm.unasked)
		peer_ask(o->from);
}

static void on_acked(struct peer *p, uint32_t n)
{
	struct bench *b = bench_of(p);
	struct outbox *o = box_of(p);
	uint64_t now = now_ns();

	if (archive.step < STEP_WRITE || archive.step > STEP_DRAIN)
		return;
	while (n--)
		bench_count(b, now - outbox_acked(o));
	send_more(b, o);
}

static void on_live(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	struct outbox *o = box_of(p);
	uint64_t due;

	/* What a run left behind that failed. */
	if (archive.step == STEP_ANCHOR)
		return;
	const char *wrong = o->to != p ? "it is not for this user"
		: message_check(&o->line, d, false, &b->loop.turn, &due);
	if (wrong)
		bench_bad_message(p, d, wrong);
}

static void beat(struct pacer *pacer, uint64_t due)
{
	send_one(&archive.boxes[archive.next++ % archive.n], due);
}

static bool all_done(struct bench *b)
{
	for (unsigned i = 0; i < archive.n; i++)
		if (!outbox_is_done(&archive.boxes[i]))
			return false;
	return true;
}

static bool drain(struct bench *b)
{
	archive.step = STEP_DRAIN;
	for (unsigned i = 0; i < archive.n; i++)
		peer_ask(archive.boxes[i].from);
	if (!bench_run(b, all_done, PATIENCE_SECONDS, "waiting for the rest"))
		bench_error(b, "messages or acknowledgements were lost");
	return !b->errors;
}

static bool write_all(struct bench *b)
{
	struct pacer pacer;
	bool open = b->o.rate > 0;

	archive.step = STEP_WRITE;
	if (open && !pacer_start(&pacer, &b->loop, b->o.rate, beat)) {
		bench_error(b, "timer: %s", strerror(errno));
		return false;
	}
	for (unsigned i = 0; i < archive.n; i++)
		send_more(b, &archive.boxes[i]);
	bench_run(b, NULL, WARM_UP_SECONDS, "warming up");
	bench_start(b, "write", "message");
	bench_measure(b, archive.n, "writing");
	bench_end(b);
	if (open)
		pacer_stop(&pacer);
	return drain(b);
}

static bool is_full(struct bench *b)
{
	return archive.boxes[0].line.sent >= b->o.messages;
}

static bool fill(struct bench *b)
{
	if (is_full(b))
		return true;
	archive.step = STEP_FILL;
	b->target.ack_every = FILL_WINDOW / 2;
	send_more(b, &archive.boxes[0]);
	if (!bench_run(b, is_full, PATIENCE_SECONDS, "filling the archive"))
		bench_error(b, "the archive was not filled in %d s", PATIENCE_SECONDS);
	return drain(b);
}

/* ---- paging (XEP-0313 section 4.2, XEP-0059) ---- */

static void ask_page(void)
{
	struct peer *p = page.reader;
	struct writer w = w_on(peer_out(p));
	char id[16];

	snprintf(id, sizeof id, "q%u", ++page.query);
	page.n = 0;
	w_open(&w, "iq");
	w_attr(&w, "type", STR("set"));
	w_attr(&w, "id", str_c(id));
	w_open_ns(&w, "query", NS_MAM);
	w_attr(&w, "queryid", str_c(id));
	w_open_ns(&w, "set", NS_RSM);
	/* The last page backwards must not reach into what was there before. */
	w_leaf(&w, "max", archive.step == STEP_ANCHOR ? STR("1")
		: archive.step == STEP_BACK && page.next < PAGE
			? str_printf(&p->loop->turn, "%u", (unsigned)page.next) : STR(PAGE_TEXT));
	if (archive.step != STEP_ON)
		w_leaf(&w, "before", str_c(page.at));
	else if (page.at[0])
		w_leaf(&w, "after", str_c(page.at));
	while (w.depth)
		w_close(&w);
	peer_sent(p);
	page.asked_ns = now_ns();
}

static bool is_of_query(const struct xml_doc *d, const struct xml_node *el, enum xml_tag name,
	struct arena *a)
{
	char want[16];

	snprintf(want, sizeof want, "q%u", page.query);
	return str_eq(xml_attr_str(d, el, name, a), str_c(want));
}

static const char *check_result(struct bench *b, const struct xml_doc *d,
	const struct xml_node *result)
{
	struct arena *a = &b->loop.turn;
	const struct xml_node *f = xml_child(d, result, NS_FORWARD, TAG_FORWARDED);
	const struct xml_node *m = f ? xml_child(d, f, NS_CLIENT, TAG_MESSAGE) : NULL;
	struct str id = xml_attr_str(d, result, TAG_ID, a);

	if (!is_of_query(d, result, TAG_QUERYID, a))
		return "a result is of no query that is under way";
	if (!m || id.n == 0 || id.n >= ID_MAX)
		return "a result has no message, no id, or a long one";
	snprintf(page.ids[page.n > 0], ID_MAX, "%.*s", STR_FMT(id));
	if (page.n == 0)
		memcpy(page.ids[1], page.ids[0], ID_MAX);
	if (archive.step == STEP_ANCHOR) {
		page.n++;
		return NULL;
	}
	if (page.n == 0 && !message_number(d, m, a, &page.first))
		return "a result is no message of this program's";
	return message_check_stored(&archive.boxes[0].line, d, m, page.first + page.n++, a);
}

static void on_result(struct peer *p, const struct xml_doc *d, const struct xml_node *result)
{
	struct bench *b = bench_of(p);
	const char *wrong = p == page.reader ? check_result(b, d, result) : "it asked for nothing";

	if (wrong)
		bench_error(b, "%s: archive: %s", p->user, wrong);
}

/* The result set says where the page begins and ends; XEP-0059 section 2.1. */
static const char *check_set(struct bench *b, const struct xml_doc *d, const struct xml_node *fin)
{
	const struct xml_node *set = fin ? xml_child(d, fin, NS_RSM, TAG_SET) : NULL;
	const struct xml_node *first = set ? xml_child(d, set, NS_RSM, TAG_FIRST) : NULL;
	const struct xml_node *last = set ? xml_child(d, set, NS_RSM, TAG_LAST) : NULL;
	struct arena *a = &b->loop.turn;

	if (!fin)
		return "a query was not answered with <fin/>";
	if (page.n == 0)
		return NULL;
	if (!first || !str_eq(xml_text(d, first, a), str_c(page.ids[0])) ||
		!last || !str_eq(xml_text(d, last, a), str_c(page.ids[1])))
		return "the set does not name the first and the last result";
	return NULL;
}

/* Where this page is held against those before it. */
static const char *join_page(void)
{
	bool back = archive.step == STEP_BACK;

	if (page.n == 0)
		return "messages are missing at the end";
	if ((back ? page.first + page.n : page.first) != page.next)
		return "between two pages messages are missing, or came twice";
	page.next = back ? page.first : page.first + page.n;
	memcpy(page.at, page.ids[!back], ID_MAX);
	page.over = page.next == (back ? 0 : page.total);
	return NULL;
}

/* An account says there whether it has an archive (XEP-0313 section 7). */
static void ask_features(struct peer *p)
{
	buf_printf(peer_out(p), "<iq type='get' id='" DISCO_ID "' to='%s@%s'>"
		"<query xmlns='http://jabber.org/protocol/disco#info'/></iq>", p->user,
		p->target->domain);
	peer_sent(p);
}

static void on_features(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	const struct xml_node *query = xml_child(d, xml_root(d), NS_DISCO_INFO, TAG_QUERY);

	for (const struct xml_node *f = query ? xml_first(d, query) : NULL; f; f = xml_next(d, f)) {
		if (!str_eq(xml_attr_str(d, f, TAG_VAR, &b->loop.turn), STR("urn:xmpp:mam:2")))
			continue;
		ask_page();
		return;
	}
	bench_lacks(b, "XEP-0313");
}

static void on_answer(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	const struct xml_node *root = xml_root(d);
	const struct xml_node *fin = xml_child(d, root, NS_MAM, TAG_FIN);
	struct str id = xml_attr_str(d, root, TAG_ID, &b->loop.turn);

	if (str_eq(id, STR(DISCO_ID))) {
		on_features(p, d);
		return;
	}
	if (p != page.reader || !is_of_query(d, root, TAG_ID, &b->loop.turn))
		return;
	const char *wrong = check_set(b, d, fin);
	if (archive.step == STEP_ANCHOR)
		page.over = true;
	else if (!wrong)
		wrong = join_page();
	if (wrong) {
		bench_error(b, "%s: archive: %s", p->user, wrong);
		return;
	}
	bench_count(b, now_ns() - page.asked_ns);
	if (!page.over)
		ask_page();
}

static bool is_paged(struct bench *b)
{
	return page.over;
}

static bool has_page(struct bench *b)
{
	return b->now->units > 0;
}

/* Remembers where the sender's archive ends before the run. */
static bool find_anchor(struct bench *b)
{
	archive.step = STEP_ANCHOR;
	page.reader = archive.boxes[0].from;
	ask_features(page.reader);
	if (!bench_run(b, is_paged, PATIENCE_SECONDS, "looking for the archive"))
		bench_error(b, "the archive did not answer");
	if (page.n)
		memcpy(page.anchor, page.ids[0], ID_MAX);
	return !b->errors;
}

/* Until all is seen, or the time is over. */
static void page_through(struct bench *b, enum step step)
{
	bool back = step == STEP_BACK;

	bench_settle(b);
	archive.step = step;
	page.over = false;
	page.total = archive.boxes[0].line.sent;
	page.next = back ? page.total : 0;
	page.reader = back ? archive.boxes[0].to : archive.boxes[0].from;
	memcpy(page.at, back ? "" : page.anchor, back ? 1 : ID_MAX);
	bench_start(b, back ? "page back" : "page on", "page");
	ask_page();
	if (!bench_run(b, is_paged, bench_seconds(b), "paging"))
		bench_run(b, has_page, PATIENCE_SECONDS, "paging");
	bench_end(b);
}

/* ---- the run ---- */

static void on_stanza(struct peer *p, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);
	const struct xml_node *result = xml_child(d, root, NS_MAM, TAG_RESULT);

	if (root->tag == TAG_IQ)
		on_answer(p, d);
	else if (root->tag == TAG_MESSAGE && result)
		on_result(p, d, result);
	else if (root->tag == TAG_MESSAGE)
		on_live(p, d);
}

static const struct peer_ops archive_ops = { .ready = crowd_ready, .stanza = on_stanza,
	.acked = on_acked, .failed = crowd_failed, .ended = crowd_ended };

static void run(struct bench *b)
{
	bench_settle(b);
	if (!find_anchor(b) || !crowd_acked(b) || !write_all(b) || !fill(b))
		return;
	page_through(b, STEP_BACK);
	if (!b->errors)
		page_through(b, STEP_ON);
}

void run_archive(struct bench *b)
{
	if (!b->o.messages)
		b->o.messages = MESSAGES;
	archive.n = b->o.users / 2;
	if (!archive.n || b->o.window > OUTBOX_MAX) {
		bench_error(b, "there must be two users, and a window of %d at most", OUTBOX_MAX);
		return;
	}
	b->target.sm = true;
	b->target.ack_every = b->o.ack_every ? b->o.ack_every
		: b->o.rate > 0 || b->o.window < 2 ? 1 : b->o.window / 2;
	crowd_make(b, 2 * archive.n, &archive_ops);
	archive.boxes = xcalloc(archive.n, sizeof *archive.boxes);
	for (unsigned i = 0; i < archive.n; i++)
		outbox_init(&archive.boxes[i], &b->peers[2 * i], &b->peers[2 * i + 1], b->o.bytes);
	archive.step = STEP_ANCHOR;
	if (crowd_login(b, 0, b->n_peers, true))
		run(b);
	crowd_leave(b, 0, b->n_peers);
	for (unsigned i = 0; i < archive.n; i++)
		outbox_clear(&archive.boxes[i]);
	free(archive.boxes);
}
