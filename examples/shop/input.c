#include "input.h"

#include "complain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = { "place", "amend", "cancel", "deliver" };

const char *op_name(enum op_kind kind)
{
	return names[kind];
}

/* ---- one line ---- */

static const char *read_line(
	const json_t *json, const json_t *products, struct order_line *ret_line, char why[160])
{
	const char *sku = data_text(json, "sku");
	const json_t *price = json_object_get(products, sku);

	if (!sku)
		return "a line without a product number, `sku`";
	if (products && !price) {
		snprintf(why, 160, "unknown product `%.40s`", sku);
		return why;
	}
	*ret_line = (struct order_line){ .sku = sku, .has_discount_percent = true };
	if (!data_number(json, "quantity", 0, &ret_line->quantity) ||
		!data_number(json, "unit_price_cents", json_integer_value(price),
			&ret_line->unit_price_cents) ||
		!data_number(json, "discount_percent", 0, &ret_line->discount_percent)) {
		snprintf(why, 160,
			"product `%.40s`: quantity, price and discount are whole numbers", sku);
		return why;
	}
	return NULL;
}

static const char *read_lines(
	const json_t *json, const json_t *products, struct op *op, char why[160])
{
	const json_t *lines = json_object_get(json, "lines");
	size_t count = json_array_size(lines);

	if (count == 0)
		return "no lines";
	op->lines = calloc(count, sizeof *op->lines);
	if (!op->lines)
		return "out of memory";
	op->lines_count = count;
	for (size_t i = 0; i < count; i++) {
		const char *fault =
			read_line(json_array_get(lines, i), products, &op->lines[i], why);

		if (fault)
			return fault;
	}
	return NULL;
}

static const char *read_kind(const json_t *json, enum op_kind *ret_kind, char why[160])
{
	const json_t *op = json_object_get(json, "op");
	const char *name = op ? json_string_value(op) : "place";

	for (size_t i = 0; name && i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret_kind = (enum op_kind)i;
			return NULL;
		}
	}
	snprintf(why, 160, "unknown op `%.40s`", name ? name : "");
	return why;
}

static const char *read_op(const json_t *json, const json_t *products, struct op *op, char why[160])
{
	const char *fault = read_kind(json, &op->kind, why);

	if (fault || op->kind == OP_CANCEL || op->kind == OP_DELIVER)
		return fault;
	if (op->kind == OP_PLACE) {
		op->customer = data_text(json, "customer");
		op->country = data_text(json_object_get(json, "ship_to"), "country");
		if (!op->customer)
			return "no customer";
		if (!op->country)
			return "no country to ship to";
	}
	return read_lines(json, products, op, why);
}

/* ---- the jobs ---- */

static struct job *job_of(struct orders *orders, const char *ref)
{
	const json_t *place = json_object_get(orders->by_ref, ref);
	struct job *longer;

	if (place)
		return &orders->jobs[json_integer_value(place)];
	if ((orders->job_count & (orders->job_count - 1)) == 0) { /* doubled, from 1 */
		size_t room = orders->job_count ? 2 * orders->job_count : 1;

		longer = realloc(orders->jobs, room * sizeof *longer);
		if (!longer)
			return NULL;
		orders->jobs = longer;
	}
	if (json_object_set_new(orders->by_ref, ref, json_integer((json_int_t)orders->job_count)))
		return NULL;
	orders->jobs[orders->job_count] = (struct job){ .ref = ref };
	return &orders->jobs[orders->job_count++];
}

/* A job that came before its ref was placed has no order: there was none when it came. */
static void refuse_early(struct orders *orders, struct job *job, size_t placed_at)
{
	for (size_t i = 0; i < job->op_count; i++) {
		complain("%s:%zu: refused: order %s: %s before it is placed, at line %zu",
			orders->path, job->ops[i].line, job->ref, op_name(job->ops[i].kind),
			placed_at);
		free(job->ops[i].lines);
		orders->refused++;
	}
	job->op_count = 0;
}

static const char *add_op(
	struct orders *orders, const char *ref, const struct op *op, char why[160])
{
	struct job *job = job_of(orders, ref);
	struct op *longer;

	if (!job)
		return "out of memory";
	if (op->kind == OP_PLACE && job->is_placed) {
		snprintf(why, 160, "placed before, at line %zu", job->ops[0].line);
		return why;
	}
	if (op->kind == OP_PLACE)
		refuse_early(orders, job, op->line);
	longer = realloc(job->ops, (job->op_count + 1) * sizeof *longer);
	if (!longer)
		return "out of memory";
	job->ops = longer;
	job->ops[job->op_count++] = *op;
	if (op->kind == OP_PLACE) {
		job->is_placed = true;
		orders->placed_count++;
	}
	return NULL;
}

/* fault may stand in why. */
static const char *with_ref(const char *ref, const char *fault, char why[160])
{
	char text[160];

	snprintf(text, sizeof text, "order %.40s: %.110s", ref, fault);
	memcpy(why, text, sizeof text);
	return why;
}

static const char *take_line(
	void *context, size_t line, const char *text, size_t size, char why[160])
{
	struct orders *orders = context;
	struct op op = { .line = line };
	json_t *json = data_object(text, size, why);
	const char *ref, *fault;

	if (!json)
		return why;
	if (json_array_append_new(orders->kept, json) != 0)
		return "out of memory";
	ref = data_text(json, "ref");
	fault = !ref || strlen(ref) > 40 ? "no ref: a text of 1 to 40 bytes"
					 : read_op(json, orders->products, &op, why);
	if (!fault)
		fault = add_op(orders, ref, &op, why);
	if (!fault)
		return NULL; /* the job has op.lines: NOLINT(clang-analyzer-unix.Malloc) */
	free(op.lines);
	return ref ? with_ref(ref, fault, why) : fault;
}

int orders_read(const char *path, const json_t *products, struct orders *ret_orders)
{
	*ret_orders = (struct orders){
		.path = path, .products = products, .by_ref = json_object(), .kept = json_array()
	};
	if (!ret_orders->by_ref || !ret_orders->kept)
		return -1;
	return data_lines(path, take_line, ret_orders, &ret_orders->refused);
}

void orders_free(struct orders *orders)
{
	for (size_t i = 0; i < orders->job_count; i++) {
		for (size_t k = 0; k < orders->jobs[i].op_count; k++)
			free(orders->jobs[i].ops[k].lines);
		free(orders->jobs[i].ops);
	}
	free(orders->jobs);
	json_decref(orders->by_ref);
	json_decref(orders->kept);
}
