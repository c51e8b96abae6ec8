/* The configuration file: whatever the bytes are, there is either a configuration that keeps
 * what it promises, or a list of faults, and the same one each time. */
#include "server/config.h"
#include "server/config_read.h"

#include "base/bug.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_config(const struct config *c)
{
	BUG_ON(c->n_hosts < 1 || c->n_hosts > CONFIG_HOSTS_MAX);
	BUG_ON(c->n_listeners < 1 || c->n_listeners > CONFIG_LISTENERS_MAX);
	BUG_ON(c->shards > CONFIG_SHARDS_MAX);
	BUG_ON(c->plain_without_tls && c->tls_required);
	BUG_ON(c->limits.output_bytes / 2 < c->limits.stanza_bytes);
	for (size_t i = 0; i < c->n_hosts; i++) {
		const struct config_host *h = &c->hosts[i];

		BUG_ON(h->domain.n == 0 || strlen(h->domain.p) != h->domain.n);
		BUG_ON(strlen(h->cert_file.p) != h->cert_file.n || h->cert_file.n == 0);
		BUG_ON(strlen(h->key_file.p) != h->key_file.n || h->key_file.n == 0);
	}
	BUG_ON(c->n_components > CONFIG_COMPONENTS_MAX);
	for (size_t i = 0; i < c->n_components; i++) {
		BUG_ON(c->components[i].domain.n == 0 || c->components[i].secret.n == 0);
		BUG_ON(c->components[i].connections == 0);
	}
}

static void check_errors(struct str errors)
{
	BUG_ON(errors.n == 0);
	while (errors.n) {
		ptrdiff_t end = str_find(errors, '\n');

		BUG_ON(end < 0 || !str_starts(errors, STR("f:")));
		errors = str_skip(errors, (size_t)end + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_from((const char *)data, size), first, second;
	struct arena a;
	struct config *c;

	arena_init(&a, 4096);
	c = config_parse(text, "f", &a, &first);
	if (c)
		check_config(c);
	else
		check_errors(first);
	config_unref(&c);
	c = config_parse(text, "f", &a, &second);
	BUG_ON(!str_eq(first, second));
	config_unref(&c);
	arena_clear(&a);
	return 0;
}
