/*
 * A thread carries a ref's ops out, one after the other, each with a key made from ref and line: so
 * that asking again, also by another run, changes nothing.
 */
#include "drive.h"

#include "client.h"
#include "complain.h"
#include "input.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	MOST_IN_FLIGHT = 256,
	AGAIN_FIRST_MS = 20,
	AGAIN_MOST_MS = 1000,
	LOOK_MS = 50 /* between two looks at one order */
};

struct drive {
	const struct drive_settings *settings;
	struct orders orders;
	size_t next;                      /* job; atomic, as are the next */
	size_t placed, repeated, refused; /* lines */
	size_t again;                     /* askings that were not answered */
	size_t lost;                      /* lines that never were */
};

struct driver {
	struct drive *drive;
	struct client order, stock;
	const struct job *job;
	const struct op *op;
	char ref[128]; /* as a segment of a path */
	char key[256];
	char path[1024];
};

static void count(size_t *at)
{
	(void)__atomic_add_fetch(at, 1, __ATOMIC_RELAXED);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_ms(int64_t ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 },
		NULL);
}

/* ---- asking until there is an answer ---- */

static int ask(struct driver *d, struct client *client, const char *method, const char *body,
	json_t **ret_json)
{
	int64_t until = now_ms() + 1000 * d->drive->settings->patience_s, wait = AGAIN_FIRST_MS;

	for (;;) {
		int status = client_ask(client, method, d->path,
			strcmp(method, "GET") == 0 ? NULL : d->key, body, ret_json);

		if (status > 0 && status != 503)
			return status;
		json_decref(*ret_json);
		*ret_json = NULL;
		count(&d->drive->again);
		if (now_ms() > until)
			return -1;
		wait_ms(wait);
		wait = wait < AGAIN_MOST_MS ? 2 * wait : wait;
	}
}

static void set_path(struct driver *d, const char *before, const char *what, const char *after)
{
	snprintf(d->path, sizeof d->path, "%s%.128s%s", before, what, after);
}

/* Reads the one amendment that was asked for: an order may have any number of them. */
static void set_order_path(struct driver *d)
{
	char key[3 * sizeof d->key];

	if (client_escape(d->key, key, sizeof key) != 0)
		*key = '\0';
	snprintf(d->path, sizeof d->path, "/orders/%.128s?amendment=%s", d->ref, key);
}

/* Says how the request ended, and returns false. */
static bool refuse(struct driver *d, int status, json_t *json)
{
	const char *why = json_string_value(json_object_get(json, "detail"));

	if (status < 0) {
		count(&d->drive->lost);
		why = "no answer";
	} else {
		count(&d->drive->refused);
	}
	complain("%s:%zu: order %s: %s refused: %s", d->drive->orders.path, d->op->line,
		d->job->ref, op_name(d->op->kind), why ? why : "it does not say why");
	json_decref(json);
	return false;
}

static bool refuse_because(struct driver *d, const char *why)
{
	return refuse(d, 0, json_pack("{s:s}", "detail", why));
}

static const char *text_of(const json_t *json, const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));

	return text ? text : "";
}

/* ---- looking until it is so ---- */

enum look {
	LOOK_AGAIN,
	LOOK_DONE,
	LOOK_OVER /* it will never be so */
};

static bool has_ended(const char *state)
{
	return strcmp(state, "cancelled") == 0 || strcmp(state, "fulfilled") == 0 ||
		strcmp(state, "completed") == 0;
}

static enum look is_amended(const struct driver *d, const json_t *order)
{
	const json_t *amendments = json_object_get(order, "amendments"), *one;
	size_t i;

	json_array_foreach((json_t *)amendments, i, one)
	{
		if (strcmp(text_of(one, "name"), d->key) != 0)
			continue;
		return strcmp(text_of(one, "state"), "asked") == 0      ? LOOK_AGAIN
			: strcmp(text_of(one, "state"), "applied") == 0 ? LOOK_DONE
									: LOOK_OVER;
	}
	return LOOK_AGAIN;
}

static enum look is_cancelled(const struct driver *d, const json_t *order)
{
	const char *state = text_of(order, "state");

	(void)d;
	return !has_ended(state)                  ? LOOK_AGAIN
		: strcmp(state, "cancelled") == 0 ? LOOK_DONE
						  : LOOK_OVER;
}

static enum look is_completed(const struct driver *d, const json_t *order)
{
	(void)d;
	return strcmp(text_of(order, "state"), "completed") == 0 ? LOOK_DONE : LOOK_AGAIN;
}

static bool look(struct driver *d, enum look (*is_so)(const struct driver *, const json_t *),
	const char *otherwise)
{
	int64_t until = now_ms() + 1000 * d->drive->settings->patience_s;

	for (;;) {
		json_t *json;
		int status;
		enum look so;

		set_order_path(d);
		status = ask(d, &d->order, "GET", NULL, &json);
		if (status != 200)
			return refuse(d, status, json);
		so = is_so(d, json);
		json_decref(json);
		if (so == LOOK_DONE)
			return true;
		if (so == LOOK_OVER)
			return refuse_because(d, otherwise);
		if (now_ms() > until)
			return refuse(d, -1, NULL);
		wait_ms(LOOK_MS);
	}
}

/* An amendment needs a paid order, a delivery a shipped one: earlier there is nothing to change. */
static enum look shipment_is_ready(struct driver *d, char tracking[64])
{
	json_t *json, *order;
	enum look ready = LOOK_AGAIN;
	const char *state;

	set_path(d, "/shipments/", d->ref, "");
	(void)ask(d, &d->stock, "GET", NULL, &json);
	state = text_of(json, "state");
	if (strcmp(state, "shipped") == 0 || strcmp(state, "delivered") == 0 ||
		(d->op->kind == OP_AMEND && json_is_true(json_object_get(json, "paid"))))
		ready = LOOK_DONE;
	snprintf(tracking, 64, "%s", text_of(json, "tracking"));
	json_decref(json);
	if (ready == LOOK_DONE)
		return ready;
	set_path(d, "/orders/", d->ref, "");
	if (ask(d, &d->order, "GET", NULL, &order) == 404 ||
		strcmp(text_of(order, "state"), "cancelled") == 0)
		ready = LOOK_OVER;
	json_decref(order);
	return ready;
}

static bool wait_for_shipment(struct driver *d, char tracking[64])
{
	int64_t until = now_ms() + 1000 * d->drive->settings->patience_s;

	for (;;) {
		enum look ready = shipment_is_ready(d, tracking);

		if (ready == LOOK_DONE)
			return true;
		if (ready == LOOK_OVER)
			return refuse_because(d, "there is no such order any more");
		if (now_ms() > until)
			return refuse(d, -1, NULL);
		wait_ms(LOOK_MS);
	}
}

/* ---- the ops ---- */

static json_t *lines_of(const struct op *op)
{
	json_t *lines = json_array();

	for (size_t i = 0; lines && i < op->lines_count; i++)
		json_array_append_new(lines,
			json_pack("{s:s, s:I, s:I, s:I}", "sku", op->lines[i].sku, "quantity",
				(json_int_t)op->lines[i].quantity, "unit_price_cents",
				(json_int_t)op->lines[i].unit_price_cents, "discount_percent",
				(json_int_t)op->lines[i].discount_percent));
	return lines;
}

/* Asks for a change, with a body (which is taken) or without. */
static bool change(struct driver *d, struct client *client, const char *method, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	json_t *json;
	int status = ask(d, client, method, text, &json);

	free(text);
	json_decref(body);
	if (status != 202)
		return refuse(d, status, json);
	if (d->op->kind == OP_PLACE)
		count(json_is_true(json_object_get(json, "repeated")) ? &d->drive->repeated
								      : &d->drive->placed);
	json_decref(json);
	return true;
}

static bool place(struct driver *d)
{
	set_path(d, "/orders", "", "");
	return change(d, &d->order, "POST",
		json_pack("{s:s, s:s, s:s, s:o}", "ref", d->job->ref, "customer", d->op->customer,
			"country", d->op->country, "lines", lines_of(d->op)));
}

static bool amend(struct driver *d)
{
	char tracking[64];

	if (!wait_for_shipment(d, tracking))
		return false;
	set_path(d, "/orders/", d->ref, "");
	return change(d, &d->order, "PATCH", json_pack("{s:o}", "lines", lines_of(d->op))) &&
		look(d, is_amended, "the amendment was refused");
}

static bool cancel(struct driver *d)
{
	set_path(d, "/orders/", d->ref, "");
	return change(d, &d->order, "DELETE", NULL) &&
		look(d, is_cancelled, "it was on its way already");
}

static bool deliver(struct driver *d)
{
	char tracking[64];

	if (!wait_for_shipment(d, tracking))
		return false;
	set_path(d, "/shipments/", tracking, "/events");
	return change(d, &d->stock, "POST",
		       json_pack("{s:s, s:b}", "place", "at the door", "delivered", 1)) &&
		look(d, is_completed, "");
}

static void carry_out(struct driver *d)
{
	static bool (*const ops[])(struct driver *) = { place, amend, cancel, deliver };
	char ref[64];

	/* In a header, too, a ref must be of plain letters. */
	if (client_escape(d->job->ref, d->ref, sizeof d->ref) != 0)
		return;
	snprintf(ref, sizeof ref, "%s", op_name(d->op->kind));
	if (d->op->kind == OP_PLACE)
		snprintf(d->key, sizeof d->key, "%s", d->ref);
	else
		snprintf(d->key, sizeof d->key, "%s/%s/%zu", d->ref, ref, d->op->line);
	(void)ops[d->op->kind](d);
}

static void *work(void *context)
{
	struct driver *d = context;
	struct drive *drive = d->drive;
	size_t at;

	while ((at = __atomic_fetch_add(&drive->next, 1, __ATOMIC_RELAXED)) <
		drive->orders.job_count) {
		d->job = &drive->orders.jobs[at];
		for (size_t i = 0; i < d->job->op_count; i++) {
			d->op = &d->job->ops[i];
			carry_out(d);
		}
	}
	return NULL;
}

/* ---- the end ---- */

/* How many orders have a status, page by page; -1: no answer. */
static int64_t orders_in(struct driver *d, const char *status)
{
	char after[128] = "";
	int64_t all = 0;

	for (;;) {
		json_t *json;
		const char *next;
		int code;

		snprintf(d->path, sizeof d->path, "/orders?status=%s&after=%s", status, after);
		code = ask(d, &d->order, "GET", NULL, &json);
		all += (int64_t)json_array_size(json_object_get(json, "orders"));
		next = json_string_value(json_object_get(json, "next"));
		if (code != 200 || !next) {
			json_decref(json);
			return code == 200 ? all : -1;
		}
		(void)client_escape(next, after, sizeof after);
		json_decref(json);
	}
}

static int64_t count_open(struct driver *d)
{
	int64_t placed = orders_in(d, "placed"), amending = orders_in(d, "amending");
	int64_t cancelling = orders_in(d, "cancelling");

	return placed < 0 || amending < 0 || cancelling < 0 ? -1 : placed + amending + cancelling;
}

static int64_t wait_for_end(struct driver *d)
{
	int64_t left = count_open(d), best = left;
	int64_t until = now_ms() + 1000 * d->drive->settings->patience_s;

	while (left != 0 && now_ms() < until) {
		wait_ms(4 * LOOK_MS);
		left = count_open(d);
		if (left >= 0 && left < best) {
			best = left;
			until = now_ms() + 1000 * d->drive->settings->patience_s;
		}
	}
	return left;
}

static int tell(struct driver *d, int64_t begun)
{
	const struct drive *drive = d->drive;
	double seconds = (double)(now_ms() - begun) / 1000;
	int64_t left = wait_for_end(d);
	int64_t fulfilled = orders_in(d, "fulfilled"), completed = orders_in(d, "completed");
	int64_t cancelled = orders_in(d, "cancelled");
	double all_seconds = (double)(now_ms() - begun) / 1000;

	printf("%zu orders placed, %zu were there already, %zu lines refused, %zu never answered,"
	       " %zu asked again; %.1f s\n",
		drive->placed, drive->repeated, drive->refused + drive->orders.refused, drive->lost,
		drive->again, seconds);
	printf("%" PRId64 " fulfilled, of which %" PRId64 " completed; %" PRId64
	       " cancelled; %" PRId64 " not ended; %.1f s\n",
		fulfilled + completed, completed, cancelled, left, all_seconds);
	if (drive->settings->json)
		printf("{\"placed\":%zu,\"repeated\":%zu,\"refused\":%zu,\"lost\":%zu,"
		       "\"again\":%zu,\"fulfilled\":%" PRId64 ",\"completed\":%" PRId64
		       ",\"cancelled\":%" PRId64 ",\"open\":%" PRId64 ",\"seconds\":%.3f}\n",
			drive->placed, drive->repeated, drive->refused + drive->orders.refused,
			drive->lost, drive->again, fulfilled + completed, completed, cancelled,
			left, all_seconds);
	return left == 0 && !drive->lost && cancelled >= 0 ? 0 : 1;
}

static int open_driver(struct drive *drive, struct driver *d)
{
	const struct drive_settings *settings = drive->settings;
	const char *wrong = NULL;

	d->drive = drive;
	if (client_init(&d->order, settings->order_url, settings->token) != 0)
		wrong = settings->order_url;
	else if (client_init(&d->stock, settings->stock_url, settings->token) != 0)
		wrong = settings->stock_url;
	if (wrong)
		complain("shop: `%s`: not http://HOST:PORT", wrong);
	return wrong ? -1 : 0;
}

static int drive_all(struct drive *drive, struct driver *drivers, size_t count_of)
{
	pthread_t threads[MOST_IN_FLIGHT];
	int64_t begun = now_ms();
	size_t begun_threads = 0;
	int code;

	for (size_t i = 0; i < count_of; i++)
		if (open_driver(drive, &drivers[i]) != 0)
			return 1;
	while (begun_threads < count_of &&
		pthread_create(&threads[begun_threads], NULL, work, &drivers[begun_threads]) == 0)
		begun_threads++;
	if (!begun_threads)
		(void)work(&drivers[0]);
	for (size_t i = 0; i < begun_threads; i++)
		pthread_join(threads[i], NULL);
	code = tell(&drivers[0], begun);
	for (size_t i = 0; i < count_of; i++) {
		client_close(&drivers[i].order);
		client_close(&drivers[i].stock);
	}
	return code;
}

int drive(const struct drive_settings *settings)
{
	struct drive drive = { .settings = settings };
	size_t count_of = (size_t)settings->in_flight;
	struct driver *drivers = calloc(count_of, sizeof *drivers);
	struct data data = { .goods = NULL };
	int code = 1;

	if (drivers && data_read(settings->products, NULL, NULL, 1, &data) == 0 &&
		orders_read(settings->orders, settings->products ? data.products : NULL,
			&drive.orders) == 0)
		code = drive_all(&drive, drivers, count_of);
	orders_free(&drive.orders);
	data_free(&data);
	free(drivers);
	return code;
}
