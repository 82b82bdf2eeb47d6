#include "books.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- finding ---- */

static int by_saga(const void *a, const void *b)
{
	const struct book *left = a, *right = b;

	return memcmp(left->saga.bytes, right->saga.bytes, sizeof left->saga.bytes);
}

static int by_sku(const void *a, const void *b)
{
	const struct goods *left = a, *right = b;

	return strcmp(left->sku, right->sku);
}

struct book *books_order(const struct books *books, saga_id saga)
{
	struct book wanted = { .saga = saga };

	return books->order_count
		? bsearch(&wanted, books->orders, books->order_count, sizeof wanted, by_saga)
		: NULL;
}

static struct book *order_or_stranger(struct books *books, const saga_value *column)
{
	struct book *book = books_order(books, reads_id(column));

	if (!book)
		books->strangers++;
	return book;
}

static struct goods *goods_of(const struct books *books, const char *sku)
{
	struct goods wanted = { .opened = 0 };

	snprintf(wanted.sku, sizeof wanted.sku, "%s", sku);
	return books->goods_count
		? bsearch(&wanted, books->goods, books->goods_count, sizeof wanted, by_sku)
		: NULL;
}

/* A longer list, its room doubled from 1; NULL: out of memory. */
static void *room_for_one(void *list, size_t count, size_t size)
{
	if ((count & (count - 1)) != 0)
		return list;
	return realloc(list, (count ? 2 * count : 1) * size);
}

static uint64_t line_mark(const char *sku, int64_t quantity)
{
	uint64_t hash = 14695981039346656037u;

	for (; *sku; sku++)
		hash = (hash ^ (unsigned char)*sku) * 1099511628211u;
	return hash * (uint64_t)quantity;
}

/* ---- rows ---- */

static int order_row(void *context, const saga_value *column)
{
	struct books *books = context;
	struct book *longer = room_for_one(books->orders, books->order_count, sizeof *longer);

	if (!longer)
		return SAGA_NOMEM;
	books->orders = longer;
	longer += books->order_count++;
	*longer = (struct book){ .saga = reads_id(&column[0]), .total = reads_int64(&column[3]) };
	reads_text(&column[1], longer->ref, sizeof longer->ref);
	reads_text(&column[2], longer->state, sizeof longer->state);
	reads_text(&column[4], longer->amending, sizeof longer->amending);
	reads_text(&column[5], longer->why, sizeof longer->why);
	return SAGA_OK;
}

/* Half a cent is rounded up, line by line. */
static int64_t line_cents(int64_t quantity, int64_t unit_price_cents, int64_t discount_percent)
{
	return (quantity * unit_price_cents * (100 - discount_percent) + 50) / 100;
}

static int ordered_row(void *context, const saga_value *column)
{
	struct book *book = order_or_stranger(context, &column[0]);
	int64_t quantity = reads_int64(&column[2]);
	char sku[41];

	if (!book)
		return SAGA_OK;
	reads_text(&column[1], sku, sizeof sku);
	book->ordered += line_mark(sku, quantity);
	book->priced += line_cents(quantity, reads_int64(&column[3]), reads_int64(&column[4]));
	return SAGA_OK;
}

static int charge_row(void *context, const saga_value *column)
{
	struct book *book = order_or_stranger(context, &column[0]);

	if (book)
		book->charged = reads_int64(&column[1]);
	return SAGA_OK;
}

static int goods_row(void *context, const saga_value *column)
{
	struct books *books = context;
	struct goods *longer = room_for_one(books->goods, books->goods_count, sizeof *longer);

	if (!longer)
		return SAGA_NOMEM;
	books->goods = longer;
	longer += books->goods_count++;
	*longer = (struct goods){ .opened = reads_int64(&column[1]),
		.free = reads_int64(&column[2]) };
	reads_text(&column[0], longer->sku, sizeof longer->sku);
	return SAGA_OK;
}

static int parcel_row(void *context, const saga_value *column)
{
	struct book *book = order_or_stranger(context, &column[0]);

	if (book) {
		reads_text(&column[1], book->parcel, sizeof book->parcel);
		reads_text(&column[2], book->locked_by, sizeof book->locked_by);
	}
	return SAGA_OK;
}

static int held_row(void *context, const saga_value *column)
{
	struct books *books = context;
	struct book *book = order_or_stranger(books, &column[0]);
	int64_t held = reads_int64(&column[2]);
	struct goods *goods;
	char sku[41];

	reads_text(&column[1], sku, sizeof sku);
	goods = goods_of(books, sku);
	if (!book || !goods)
		return SAGA_OK;
	book->held += held;
	book->held_sum += line_mark(sku, held);
	if (strcmp(book->parcel, "shipped") == 0 || strcmp(book->parcel, "delivered") == 0)
		goods->shipped += held;
	else
		goods->reserved += held;
	return SAGA_OK;
}

static int cancel_row(void *context, const saga_value *column)
{
	struct book *book = order_or_stranger(context, &column[0]);

	if (book)
		book->cancel_asked = true;
	return SAGA_OK;
}

static int ship_row(void *context, const saga_value *column)
{
	struct book *book = order_or_stranger(context, &column[0]);

	if (book)
		reads_text(&column[1], book->ship, sizeof book->ship);
	return SAGA_OK;
}

static int reserve_row(void *context, const saga_value *column)
{
	struct book *book = order_or_stranger(context, &column[0]);

	if (book)
		book->is_remembered = true;
	return SAGA_OK;
}

static int kept_row(void *context, const saga_value *column)
{
	struct books *books = context;
	struct book *book = NULL;
	char reference[SAGA_ID_TEXT + 1];
	saga_id saga;

	reads_text(&column[0], reference, sizeof reference);
	if (saga_id_parse(reference, &saga) == SAGA_OK)
		book = books_order(books, saga);
	if (!book) {
		books->strangers++;
		return SAGA_OK;
	}
	book->kept += reads_int64(&column[1]);
	book->charges++;
	return SAGA_OK;
}

struct slot_reading {
	struct books *books;
	const char *participant;
};

static int slot_row(void *context, const saga_value *column)
{
	struct slot_reading *reading = context;
	struct books *books = reading->books;
	struct left_slot *longer = room_for_one(books->slots, books->slot_count, sizeof *longer);

	if (!longer)
		return SAGA_NOMEM;
	books->slots = longer;
	longer += books->slot_count++;
	*longer = (struct left_slot){ .participant = reading->participant,
		.saga = reads_id(&column[0]) };
	reads_text(&column[1], longer->step, sizeof longer->step);
	reads_text(&column[2], longer->subject, sizeof longer->subject);
	reads_text(&column[3], longer->state, sizeof longer->state);
	return SAGA_OK;
}

/* ---- reading each store ---- */

struct query {
	const char *sql;
	size_t column_count;
	reads_row_fn *row;
};

static const struct query of_orders[] = {
	{ "SELECT saga, ref, state, total, amending, why FROM orders", 6, order_row },
};
static const struct query of_order[] = {
	{ "SELECT saga, sku, quantity, unit_price_cents, discount_percent FROM ordered"
	  " WHERE amendment = ''",
		5, ordered_row },
	{ "SELECT saga, state FROM saga_slot WHERE step = 'cancel' AND state = 'done'", 2,
		cancel_row },
};
static const struct query of_payment[] = {
	{ "SELECT saga, cents FROM charge", 2, charge_row },
};
static const struct query of_goods[] = {
	{ "SELECT sku, opened, free FROM stock", 3, goods_row },
};
static const struct query of_stock[] = {
	{ "SELECT saga, state, locked_by FROM parcel", 3, parcel_row },
	{ "SELECT saga, sku, held FROM line", 3, held_row },
	{ "SELECT saga, state FROM saga_slot WHERE step = 'ship'", 2, ship_row },
	{ "SELECT saga, state FROM saga_slot WHERE step = 'reserve'", 2, reserve_row },
};
static const char left_slots[] =
	"SELECT saga, step, subject, state FROM saga_slot"
	" WHERE state IN ('waiting', 'trying', 'undoing', 'dead', 'stuck')";
static const char left_parked[] = "SELECT saga, step, subject, kind FROM saga_parked";

static const struct query of_provider[] = {
	{ "SELECT reference, cents FROM charge WHERE cents > 0", 2, kept_row },
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static int ask(const struct reader *reader, const char *of, const struct query *queries,
	size_t count, struct books *books, saga_error *error)
{
	int code = SAGA_OK;

	for (size_t i = 0; i < count && code == SAGA_OK; i++)
		code = reader->read(reader->context, of, queries[i].sql, queries[i].column_count,
			queries[i].row, books, error);
	return code;
}

/* Counts the work that is left in a participant's store. */
static int ask_left(
	const struct reader *reader, const char *of, struct books *books, saga_error *error)
{
	struct slot_reading slots = { .books = books, .participant = of };
	int code = reader->read(reader->context, of, left_slots, 4, slot_row, &slots, error);

	if (code == SAGA_OK)
		code = reader->read(reader->context, of, left_parked, 4, slot_row, &slots, error);
	return code;
}

static void sort(struct books *books)
{
	if (books->order_count)
		qsort(books->orders, books->order_count, sizeof *books->orders, by_saga);
	if (books->goods_count)
		qsort(books->goods, books->goods_count, sizeof *books->goods, by_sku);
}

int books_read(const struct reader *reader, struct books *ret_books, saga_error *error)
{
	static const char *const participants[] = { "order", "payment", "stock" };
	struct books *books = ret_books;
	int code;

	*books = (struct books){ 0 };
	code = ask(reader, "order", of_orders, COUNT(of_orders), books, error);
	if (code == SAGA_OK)
		code = ask(reader, "stock", of_goods, COUNT(of_goods), books, error);
	sort(books);
	if (code == SAGA_OK)
		code = ask(reader, "order", of_order, COUNT(of_order), books, error);
	if (code == SAGA_OK)
		code = ask(reader, "payment", of_payment, COUNT(of_payment), books, error);
	if (code == SAGA_OK)
		code = ask(reader, "stock", of_stock, COUNT(of_stock), books, error);
	if (code == SAGA_OK)
		code = ask(reader, "provider", of_provider, COUNT(of_provider), books, error);
	for (size_t i = 0; i < COUNT(participants) && code == SAGA_OK; i++)
		code = ask_left(reader, participants[i], books, error);
	return code;
}

void books_free(struct books *books)
{
	free(books->orders);
	free(books->goods);
	free(books->slots);
}
