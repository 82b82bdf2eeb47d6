#include "audit.h"

#include "books.h"
#include "complain.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

struct auditing {
	struct audit *audit;
	const struct books *books;
	FILE *out;
};

SAGA_PRINTF(2, 3)
static void breach(struct auditing *a, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	fputs("breach: ", a->out);
	put_shown(a->out, text);
	fputc('\n', a->out);
	a->audit->violations++;
}

static bool is(const char *text, const char *what)
{
	return strcmp(text, what) == 0;
}

static bool is_sent(const struct book *b)
{
	return is(b->parcel, "shipped") || is(b->parcel, "delivered");
}

/* ---- an order ---- */

static void count_reason(struct audit *audit, const char *why)
{
	size_t i = 0;

	while (i < audit->reason_count && !is(audit->reasons[i].why, why))
		i++;
	if (i == AUDIT_REASONS)
		i--; /* the last one counts for all the others */
	else if (i == audit->reason_count)
		snprintf(audit->reasons[audit->reason_count++].why, sizeof audit->reasons[i].why,
			"%s", i == AUDIT_REASONS - 1 ? "other reasons" : why);
	audit->reasons[i].orders++;
}

static void check_fulfilled(struct auditing *a, const struct book *b)
{
	a->audit->fulfilled++;
	a->audit->completed += is(b->state, "completed");
	if (b->charges != (b->priced > 0)) /* what is free needs no charge */
		breach(a, "order %s is %s with %zu charges kept", b->ref, b->state, b->charges);
	if (b->kept != b->priced)
		breach(a, "order %s costs %" PRId64 ", the provider keeps %" PRId64, b->ref,
			b->priced, b->kept);
	if (!is_sent(b) || (b->is_remembered && !is(b->ship, "done")))
		breach(a, "order %s is %s and was not shipped (parcel `%s`, ship `%s`)", b->ref,
			b->state, b->parcel, b->ship);
	if (b->held_sum != b->ordered)
		breach(a, "order %s: what was shipped is not what is ordered", b->ref);
	if (is(b->parcel, "delivered") != is(b->state, "completed"))
		breach(a, "order %s is %s, its parcel is %s", b->ref, b->state, b->parcel);
}

static void check_cancelled(struct auditing *a, const struct book *b)
{
	a->audit->cancelled++;
	count_reason(a->audit, b->why);
	if (b->charges || b->kept)
		breach(a, "order %s is cancelled, the provider keeps %" PRId64, b->ref, b->kept);
	if (b->held && !is_sent(b))
		breach(a, "order %s is cancelled, %" PRId64 " units are reserved", b->ref, b->held);
	if (is_sent(b) || is(b->ship, "done"))
		breach(a, "order %s is cancelled and was shipped", b->ref);
}

static void check_order(struct auditing *a, const struct book *b)
{
	bool is_cancelled = is(b->state, "cancelled");

	if (is_cancelled)
		check_cancelled(a, b);
	else if (is(b->state, "fulfilled") || is(b->state, "completed"))
		check_fulfilled(a, b);
	else
		breach(a, "order %s has not ended: it is %s", b->ref, b->state);
	if (b->total != b->priced)
		breach(a, "order %s says that it costs %" PRId64 ", its lines come to %" PRId64,
			b->ref, b->total, b->priced);
	if (b->charged != b->kept)
		breach(a, "order %s: payment says %" PRId64 " charged, the provider %" PRId64,
			b->ref, b->charged, b->kept);
	if (b->cancel_asked && !is_cancelled && !is_sent(b))
		breach(a, "order %s was asked to be cancelled, never shipped, and is %s", b->ref,
			b->state);
	if (*b->amending)
		breach(a, "order %s is held by amendment %s", b->ref, b->amending);
	if (*b->locked_by)
		breach(a, "the parcel of order %s is held by amendment %s", b->ref, b->locked_by);
}

/* ---- the rest ---- */

static void check_goods(struct auditing *a, const struct goods *g)
{
	if (g->free < 0)
		breach(a, "product %s: %" PRId64 " are free", g->sku, g->free);
	if (g->opened != g->free + g->reserved + g->shipped)
		breach(a,
			"product %s: %" PRId64 " at the start, now %" PRId64 " free + %" PRId64
			" reserved + %" PRId64 " shipped",
			g->sku, g->opened, g->free, g->reserved, g->shipped);
}

/* The join of fulfilled and delivered waits until someone delivers: nothing is owed. */
static bool may_wait(const struct left_slot *slot, const struct book *b)
{
	return is(slot->participant, "order") && is(slot->step, "complete") &&
		is(slot->state, "waiting") && b && !is(b->parcel, "delivered");
}

static void check_slot(struct auditing *a, const struct left_slot *slot)
{
	const struct book *b = books_order(a->books, slot->saga);
	char saga[SAGA_ID_TEXT];

	if (is(slot->state, "dead") || is(slot->state, "stuck") || is(slot->state, "letter"))
		a->audit->dead++;
	if (!may_wait(slot, b))
		breach(a, "%s.%s%s%s of order %s is left %s", slot->participant, slot->step,
			*slot->subject ? " " : "", slot->subject,
			b ? b->ref : saga_id_text(slot->saga, saga), slot->state);
}

int audit_shop(const struct reader *reader, FILE *out, struct audit *ret_audit, saga_error *error)
{
	struct books books;
	struct auditing a = { .audit = ret_audit, .books = &books, .out = out };
	int code = books_read(reader, &books, error);

	if (code == SAGA_OK) {
		*ret_audit = (struct audit){ .orders = books.order_count };
		for (size_t i = 0; i < books.order_count; i++)
			check_order(&a, &books.orders[i]);
		for (size_t i = 0; i < books.goods_count; i++)
			check_goods(&a, &books.goods[i]);
		for (size_t i = 0; i < books.slot_count; i++)
			check_slot(&a, &books.slots[i]);
		if (books.strangers)
			breach(&a, "%zu rows belong to no order", books.strangers);
	}
	books_free(&books);
	return code;
}

void audit_print(const struct audit *audit, FILE *out)
{
	fprintf(out, "%zu orders: %zu fulfilled, of which %zu completed; %zu cancelled\n",
		audit->orders, audit->fulfilled, audit->completed, audit->cancelled);
	for (size_t i = 0; i < audit->reason_count; i++) {
		fputs("  cancelled, ", out);
		put_shown(out, audit->reasons[i].why);
		fprintf(out, ": %zu\n", audit->reasons[i].orders);
	}
	fprintf(out, "%zu dead or stuck, %zu violations\n", audit->dead, audit->violations);
}
