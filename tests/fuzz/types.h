#ifndef TESTS_FUZZ_TYPES_H
#define TESTS_FUZZ_TYPES_H

/* A type with every kind of field, one like a shop's, one without fields, one that asks for all. */

#include <saga/event.h>

SAGA_STRUCT(leaf, text(name), opt_int64(rank), opt_bytes(blob));
SAGA_STRUCT(branch, id(key), list(leaves, leaf), opt_part(best, leaf), flag(open));
SAGA_EVENT(rich, "rich.thing", 3, text(t), reason(why), int64(n), flag(f), bytes(b), id(i),
	part(p, branch), list(l, branch), opt_text(ot), opt_int64(on), opt_flag(of), opt_bytes(ob),
	opt_id(oi), opt_part(op, branch));

SAGA_STRUCT(order_line, text(sku), int64(quantity));
SAGA_EVENT(order_placed, "order.placed", 1, text(customer), text(country), int64(total),
	list(lines, order_line));

SAGA_BARE_EVENT(bare, "bare", 1);
SAGA_EVENT(optional, "all.optional", 1, reason(why), opt_text(t), opt_int64(n), opt_flag(f));

static const saga_type *const fuzz_types[] = { &rich, &order_placed, &bare, &optional };
enum {
	FUZZ_TYPES = sizeof fuzz_types / sizeof fuzz_types[0]
};

#endif
