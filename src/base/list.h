/* Intrusive doubly linked lists with a head that is part of the ring. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/bug.h"

#include <stdbool.h>

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Puts an element at the end of the list. It must not be in one. */
static inline void list_add(struct list *head, struct list *el)
{
	el->prev = head->prev;
	el->next = head;
	head->prev->next = el;
	head->prev = el;
}

/* Takes an element out and makes it a list of its own, so that taking it out twice is safe. */
static inline void list_del(struct list *el)
{
	el->prev->next = el->next;
	el->next->prev = el->prev;
	list_init(el);
}

/* Moves all elements of a list into another, which is not initialised yet. */
static inline void list_take(struct list *from, struct list *to)
{
	list_init(to);
	if (list_empty(from))
		return;
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

/* The first element as a type, or NULL. */
#define list_first(head, type, member) \
	(list_empty(head) ? NULL : container_of((head)->next, type, member))

#define list_each(var, head, type, member)                              \
	for (type *var = container_of((head)->next, type, member);      \
	     &var->member != (head);                                    \
	     var = container_of(var->member.next, type, member))

/* The same where the body may take var out (and no other element). */
#define list_each_safe(var, head, type, member)                                             \
	for (type *var = container_of((head)->next, type, member),                          \
	          *var##_next = container_of(var->member.next, type, member);               \
	     &var->member != (head);                                                        \
	     var = var##_next, var##_next = container_of(var->member.next, type, member))

#endif
