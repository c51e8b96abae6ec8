/* A component of libstentor gets arbitrary bytes from its server, before the handshake's answer or
 * behind it (XEP-0114).
 *
 * The first byte says which (odd: behind), and where the bytes are cut in two. However they are cut,
 * the component comes to the same state for the same reason and says as much. Handlers send back
 * what they got, in other elements; and whatever they got, what is sent is a well-formed stream. */
#include "base/bug.h"
#include "lib/component_private.h"
#include "xml/scan.h"

#include <sys/socket.h>
#include <unistd.h>

#define OUT_MAX (4 * 1024 * 1024)
#define BEFORE                                                                               \
	"<stream:stream xmlns='jabber:component:accept' xmlns:c='jabber:component:accept' "  \
	"xmlns:u='urn:u' xmlns:stream='http://etherx.jabber.org/streams' id='1'>"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct side {
	struct stentor_component *c;
	int server;
	struct buf out;
};

static bool on_message(struct stentor_entity *e, const struct stentor_element *message, void *user)
{
	struct stentor_element *answer = stentor_answer_new(message);

	stentor_element_add_copy(stentor_element_add(answer, "copy", "urn:copy"), message);
	stentor_send(e, answer);
	return stentor_element_child(message, NULL, "body") != NULL;
}

static bool on_iq(struct stentor_entity *e, const struct stentor_element *iq, void *user)
{
	char *text = stentor_element_print(iq);
	struct stentor_element *again = text ? stentor_element_parse(text) : NULL;

	BUG_ON(text && !again); /* what is written can be read */
	free(text);
	stentor_element_free(&again);
	return false;
}

static void run(struct stentor_execution *x, void *user)
{
	struct stentor_element *form = stentor_form_new("form", NULL, NULL);

	stentor_field_require(stentor_form_add_field(form, "a", "jid-single", NULL));
	if (stentor_execution_ask(x, form, stentor_execution_stage(x) > 1) != STENTOR_OK)
		stentor_execution_done(x, NULL, stentor_execution_value(x, "a"));
}

static void turn(struct side *s)
{
	char bytes[65536];
	ssize_t n;

	for (int i = 0; i < 3; i++) {
		stentor_component_process(s->c);
		while ((n = recv(s->server, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
			buf_add(&s->out, str_from(bytes, (size_t)n));
	}
}

static void say(struct side *s, struct str bytes)
{
	while (bytes.n) {
		ssize_t n = send(s->server, bytes.p, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		turn(s);
		if (n < 0)
			return; /* it is not read any more */
		bytes = str_skip(bytes, (size_t)n);
	}
}

static void begin(struct side *s, bool behind)
{
	struct stentor_entity *e;
	int pair[2];

	BUG_ON(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0);
	*s = (struct side){ .c = stentor_component_new("c.example", "s"), .server = pair[0] };
	buf_init(&s->out, OUT_MAX);
	e = stentor_component_entity(s->c);
	stentor_on_message(e, on_message, NULL);
	stentor_on_iq(e, NULL, NULL, NULL, on_iq, NULL);
	stentor_add_identity(e, STENTOR_USERS, "client", "bot", NULL);
	stentor_add_command(e, STENTOR_HERE, "n", "N", run, NULL, NULL);
	stentor_set_version(e, "v", "1", NULL);
	component_start_on(s->c, pair[1]);
	turn(s);
	if (behind)
		say(s, STR(BEFORE "<handshake/>"));
}

/* What the component said can be read. */
static void check_sent(struct side *s)
{
	struct xml_table table = { 0 };
	enum scan_status status;
	struct scan scan;
	size_t at = 0, n = s->out.n, used;

	BUG_ON(!buf_reserve(&s->out, SCAN_PAD));
	scan_init(&scan, &scan_limits_user);
	do {
		status = scan_next(&scan, &table, s->out.p + at, n - at, &used);
		BUG_ON(status == SCAN_BAD);
		at += used;
	} while (status != SCAN_MORE && status != SCAN_CLOSE);
	BUG_ON(at != n);
	scan_clear(&scan);
	xml_table_clear(&table);
}

static void end(struct side *s)
{
	check_sent(s);
	stentor_component_free(&s->c);
	close(s->server);
	buf_clear(&s->out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct side whole, cut;

	if (!size)
		return 0;
	struct str bytes = str_from((const char *)data + 1, size - 1);
	size_t at = bytes.n ? data[0] / 2 % bytes.n : 0;
	begin(&whole, data[0] & 1);
	begin(&cut, data[0] & 1);
	say(&whole, bytes);
	say(&cut, str_head(bytes, at));
	say(&cut, str_skip(bytes, at));
	BUG_ON(whole.out.n != cut.out.n);
	BUG_ON(stentor_component_state(whole.c) != stentor_component_state(cut.c));
	BUG_ON(stentor_component_error(whole.c, NULL) != stentor_component_error(cut.c, NULL));
	end(&whole);
	end(&cut);
	return 0;
}
