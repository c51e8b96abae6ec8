/* Records of DNS: the first byte chooses the type, the others are the rdata. What is taken has
 * a form of one way only. */
#include "base/buf.h"
#include "base/bug.h"
#include "net/rdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A name that was taken is one that could be asked for; written again it is what came, but for
 * capitals. */
static void check_srv(struct str rdata)
{
	struct srv s;
	struct buf b;

	if (!rdata_srv(rdata, &s))
		return;
	struct str left = str_c(s.target);
	BUG_ON(left.n && !dns_is_name(left));
	buf_init(&b, 512);
	while (left.n) {
		ptrdiff_t dot = str_find(left, '.');
		size_t label = dot < 0 ? left.n : (size_t)dot;
		buf_byte(&b, (char)label);
		buf_add(&b, str_head(left, label));
		left = str_skip(left, label + 1);
	}
	buf_byte(&b, '\0');
	BUG_ON(!str_eq_nocase(buf_str(&b), str_skip(rdata, 6)));
	buf_clear(&b);
}

static void check_tlsa(struct str rdata)
{
	struct tls_tlsa t;

	if (rdata_tlsa(rdata, &t))
		BUG_ON(!t.data.n || t.data.p + t.data.n != rdata.p + rdata.n);
}

static void check_address(enum dns_type type, struct str rdata)
{
	struct sockaddr_storage at;

	if (rdata_address(type, rdata, 5269, &at))
		BUG_ON(address_reach(&at) > REACH_OTHERS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	struct str rdata = str_from((const char *)data + 1, size - 1);
	switch (data[0]) {
	case DNS_SRV:
		check_srv(rdata);
		break;
	case DNS_TLSA:
		check_tlsa(rdata);
		break;
	case DNS_A:
	case DNS_AAAA:
		check_address(data[0], rdata);
		break;
	}
	return 0;
}
