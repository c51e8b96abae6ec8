#include "base/mailbox.h"

#include "base/bug.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool mailbox_init(struct mailbox *b, size_t max_bytes)
{
	atomic_init(&b->newest, NULL);
	atomic_init(&b->bytes, 0);
	atomic_init(&b->asleep, false);
	b->max_bytes = max_bytes;
	b->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return b->fd >= 0;
}

void mailbox_clear(struct mailbox *b)
{
	close(b->fd);
	b->fd = -1;
}

void batch_add(struct batch *t, struct mail *m)
{
	/* The batch is kept newest first, as the mailbox is: last is its oldest. */
	m->next = t->first;
	t->first = m;
	if (!t->last)
		t->last = m;
	t->bytes += m->bytes;
}

void mailbox_wake(struct mailbox *b)
{
	uint64_t one = 1;

	/* It can only fail when the counter is full, and then the receiver is awake. */
	if (write(b->fd, &one, sizeof one) < 0)
		BUG_ON(errno != EAGAIN && errno != EINTR);
}

bool mailbox_put(struct mailbox *b, struct batch *t)
{
	if (!t->first)
		return false;
	atomic_fetch_add_explicit(&b->bytes, t->bytes, memory_order_relaxed);
	struct mail *old = atomic_load_explicit(&b->newest, memory_order_relaxed);
	do
		t->last->next = old;
	while (!atomic_compare_exchange_weak_explicit(&b->newest, &old, t->first,
		memory_order_seq_cst, memory_order_relaxed));
	*t = (struct batch){ 0 };
	/* Sequential consistency here and in mailbox_sleep(): either we see the flag or the
	 * receiver sees the mail. */
	return atomic_load(&b->asleep) && atomic_exchange(&b->asleep, false);
}

void mailbox_post(struct mailbox *b, struct batch *t)
{
	if (mailbox_put(b, t))
		mailbox_wake(b);
}

void mailbox_post_one(struct mailbox *b, struct mail *m)
{
	struct batch t = { 0 };

	batch_add(&t, m);
	mailbox_post(b, &t);
}

size_t mailbox_run(struct mailbox *b, void *receiver)
{
	struct mail *m = atomic_exchange_explicit(&b->newest, NULL, memory_order_acquire);
	struct mail *oldest = NULL;
	size_t n = 0, bytes = 0;

	while (m) {
		struct mail *next = m->next;
		m->next = oldest;
		oldest = m;
		bytes += m->bytes;
		m = next;
	}
	atomic_fetch_sub_explicit(&b->bytes, bytes, memory_order_relaxed);
	while (oldest) {
		struct mail *next = oldest->next;
		oldest->run(oldest, receiver);
		oldest = next;
		n++;
	}
	return n;
}

bool mailbox_sleep(struct mailbox *b)
{
	atomic_store(&b->asleep, true);
	if (!atomic_load(&b->newest))
		return true;
	atomic_store(&b->asleep, false);
	return false;
}

void mailbox_awake(struct mailbox *b, bool woken)
{
	uint64_t count;

	atomic_store_explicit(&b->asleep, false, memory_order_relaxed);
	if (woken && read(b->fd, &count, sizeof count) < 0)
		BUG_ON(errno != EAGAIN && errno != EINTR);
}
