/* An echo bot as a component: says what it hears, and has commands (XEP-0050) with forms.
 *
 *     echo-bot DOMAIN SERVER PORT [NAME CA_FILE] <secret
 *
 * With NAME it speaks TLS, to a server whose certificate is for that name and from that CA.
 * It answers for every address at its domain, and has two commands: `repeat` says something several
 * times, `manners` (in two forms) decides how it answers you from then on. */
#include <stentor/component.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVERYWHERE (STENTOR_HERE | STENTOR_USERS)
#define GUESTS_MAX 100
#define TIMES_MAX  5

/* Whom it answers in another way than the usual. */
static struct guest {
	char who[3072]; /* bare JID */
	char prefix[64];
	bool loud;
} guests[GUESTS_MAX];
static unsigned n_guests;

static struct stentor_component *component;

static struct guest *find_guest(const char *jid)
{
	size_t bare = strcspn(jid, "/");

	for (unsigned i = 0; i < n_guests; i++)
		if (strlen(guests[i].who) == bare && !strncmp(guests[i].who, jid, bare))
			return &guests[i];
	return NULL;
}

static void send_text(struct stentor_entity *e, struct stentor_element *answer, const char *prefix,
	const char *text, bool loud)
{
	struct stentor_element *body = stentor_element_add(answer, "body", NULL);

	stentor_element_add_text(body, prefix);
	stentor_element_add_text(body, text);
	if (loud)
		stentor_element_add_text(body, "!");
	enum stentor_error error = stentor_send(e, answer);
	if (error)
		fprintf(stderr, "not sent: %s\n", stentor_error_text(error));
}

static bool on_message(struct stentor_entity *e, const struct stentor_element *message, void *user)
{
	const char *type = stentor_element_attribute(message, "type");
	const char *body = stentor_element_child_text(message, NULL, "body");
	const struct guest *g = find_guest(stentor_element_attribute(message, "from"));

	/* An answer to an error or to a room would have no end. */
	if (type && strcmp(type, "chat") && strcmp(type, "normal"))
		return true;
	if (body)
		send_text(e, stentor_answer_new(message), g ? g->prefix : "", body, g && g->loud);
	return true;
}

/* ---- the command "repeat": one form ---- */

static struct stentor_element *repeat_form(void)
{
	struct stentor_element *form = stentor_form_new("form", "Repeat", "What do I say?");
	struct stentor_element *times;

	stentor_field_require(stentor_form_add_field(form, "text", "text-single", "Text"));
	times = stentor_form_add_value(form, "times", "text-single", "How often (1 to 5)", "2");
	stentor_field_require(times);
	return form;
}

static void repeat(struct stentor_execution *x, void *user)
{
	const char *text = stentor_execution_value(x, "text");
	const char *times = stentor_execution_value(x, "times");
	char *end = NULL;
	long n = times ? strtol(times, &end, 10) : 0;

	if (stentor_execution_stage(x) == 0) {
		stentor_execution_ask(x, repeat_form(), true);
	} else if (*end || n < 1 || n > TIMES_MAX) {
		stentor_execution_again(x, "times is a number from 1 to 5");
	} else {
		while (n--)
			send_text(stentor_execution_entity(x),
				stentor_message_new("chat", stentor_execution_address(x),
					stentor_execution_asker(x)),
				"", text, false);
		stentor_execution_done(x, NULL, "It has been said.");
	}
}

/* ---- the command "manners": two forms, and a result ---- */

static struct stentor_element *style_form(void)
{
	struct stentor_element *form = stentor_form_new("form", "Manners", NULL);
	struct stentor_element *style =
		stentor_form_add_value(form, "style", "list-single", "How I answer", "plain");

	stentor_field_add_option(style, "plain", "As you say it");
	stentor_field_add_option(style, "loud", "Loudly");
	stentor_field_require(style);
	return form;
}

static struct stentor_element *prefix_form(void)
{
	struct stentor_element *form = stentor_form_new("form", "Manners", NULL);

	stentor_form_add_field(form, "prefix", "text-single", "What comes before it");
	return form;
}

/* False: there are too many, or it is too long. */
static bool remember(const char *asker, const char *style, const char *prefix)
{
	struct guest *g = find_guest(asker);

	if ((!g && n_guests == GUESTS_MAX) || (prefix && strlen(prefix) >= sizeof g->prefix))
		return false;
	if (!g)
		g = &guests[n_guests++];
	snprintf(g->who, sizeof g->who, "%.*s", (int)strcspn(asker, "/"), asker);
	snprintf(g->prefix, sizeof g->prefix, "%s", prefix ? prefix : "");
	g->loud = !strcmp(style, "loud");
	return true;
}

static void manners(struct stentor_execution *x, void *user)
{
	const char *style = stentor_execution_value(x, "style");
	struct stentor_element *result;

	if (stentor_execution_stage(x) < 2) {
		bool second = stentor_execution_stage(x) == 1;
		stentor_execution_ask(x, second ? prefix_form() : style_form(), second);
	} else if (!remember(stentor_execution_asker(x), style,
		stentor_execution_value(x, "prefix"))) {
		stentor_execution_refuse(x, STENTOR_RESOURCE_CONSTRAINT, "too many, or too long");
	} else {
		result = stentor_form_new("result", "Manners", NULL);
		stentor_form_add_value(result, "style", "text-single", "Style", style);
		stentor_execution_done(x, result, NULL);
	}
}

/* ---- the program ---- */

static void on_state(struct stentor_component *c, enum stentor_state state,
	enum stentor_error error, const char *text, void *user)
{
	static const char *const names[] = { "over", "connecting", "ready", "waiting", "closing" };

	fprintf(stderr, "%s%s%s\n", names[state], error ? ": " : "", text);
}

static void on_signal(int number)
{
	stentor_component_stop(component);
}

int main(int argc, char **argv)
{
	char secret[256];

	if ((argc == 4 || argc == 6) && fgets(secret, sizeof secret, stdin)) {
		secret[strcspn(secret, "\n")] = '\0';
		component = stentor_component_new(argv[1], secret);
	}
	if (!component) {
		fputs("usage: echo-bot DOMAIN SERVER PORT [NAME CA_FILE] <secret\n", stderr);
		return 2;
	}
	struct stentor_entity *e = stentor_component_entity(component);
	stentor_component_set_server(component, argv[2], (uint16_t)strtoul(argv[3], NULL, 10));
	if (argc == 6)
		stentor_component_set_tls(component, argv[4], argv[5]);
	stentor_component_set_reconnect(component, 200, 60000);
	stentor_component_on_state(component, on_state, NULL);
	stentor_add_identity(e, EVERYWHERE, "client", "bot", "Echo");
	stentor_set_version(e, "echo-bot", "1.0", NULL);
	stentor_on_message(e, on_message, NULL);
	stentor_add_command(e, EVERYWHERE, "repeat", "Say something", repeat, NULL, NULL);
	stentor_add_command(e, EVERYWHERE, "manners", "Change how I answer", manners, NULL, NULL);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	enum stentor_error error = stentor_component_run(component);
	stentor_component_free(&component);
	return error != STENTOR_OK;
}
