#ifndef SAGA_TESTS_EVENT_TEST_H
#define SAGA_TESTS_EVENT_TEST_H

/* What the tests of events share: a type with every kind of field, random bodies, comparison. */

#include <saga/saga.h>

#include <check.h>

#include "event/arena.h"
#include "event/envelope.h"

SAGA_STRUCT(leaf, text(name), opt_int64(rank), opt_bytes(blob));
SAGA_STRUCT(branch, id(key), list(leaves, leaf), opt_part(best, leaf), flag(open));
SAGA_EVENT(rich, "rich.thing", 3, text(t), reason(why), int64(n), flag(f), bytes(b), id(i),
	part(p, branch), list(l, branch), opt_text(ot), opt_int64(on), opt_flag(of), opt_bytes(ob),
	opt_id(oi), opt_part(op, branch));

SAGA_STRUCT(order_line, text(sku), int64(quantity));
SAGA_EVENT(order_placed, "order.placed", 1, text(customer), text(country), int64(total),
	list(lines, order_line));

struct random {
	uint64_t state;
};

/* From SAGA_TEST_SEED or the clock; printed. */
struct random random_of_test(const char *test);
uint64_t random_next(struct random *random);
uint64_t random_below(struct random *random, uint64_t limit);

/* A random body in the arena. Never NULL. */
void *random_body(struct random *random, struct saga__arena *arena, const saga_shape *shape);

bool same_body(const saga_shape *shape, const void *a, const void *b);

/* A shop's event, and how it looks when encoded. */
extern const struct order_placed shop_body;
extern const struct saga_event shop_event;

/* Encodes; the bytes are the caller's to free, of exactly their size so that ASan sees beyond. */
saga_bytes wire_of(const struct saga_event *event, const saga_type *type, const void *body);
saga_bytes copy_of(const void *at, size_t size);
void free_wire(saga_bytes wire);

/* Runs a suite of one case; the exit code for main. */
int run_tests(const char *name, const TTest *const *tests, size_t count);

#define RUN_TESTS(name_, ...) \
	int main(void) \
	{ \
		const TTest *const tests[] = { __VA_ARGS__ }; \
\
		return run_tests(name_, tests, sizeof tests / sizeof tests[0]); \
	}

#endif
