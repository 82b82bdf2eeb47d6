/*
 * The shop's orders file, any bytes: each line is an order's or refused, and what is taken is
 * whole.
 */
#include "fuzz.h"

#include <unistd.h>

#include "../../examples/shop/input.h"

static void check_op(const struct op *op)
{
	HOLDS(op->line > 0 && *op_name(op->kind));
	if (op->kind == OP_PLACE)
		HOLDS(op->customer && *op->customer && op->country && *op->country);
	if (op->kind == OP_PLACE || op->kind == OP_AMEND)
		HOLDS(op->lines && op->lines_count);
	for (size_t i = 0; i < op->lines_count; i++)
		HOLDS(op->lines[i].sku && *op->lines[i].sku);
}

static size_t check_job(const struct job *job)
{
	size_t placed = 0;

	HOLDS(job->ref && *job->ref && strlen(job->ref) <= 40);
	for (size_t i = 0; i < job->op_count; i++) {
		check_op(&job->ops[i]);
		placed += job->ops[i].kind == OP_PLACE;
		HOLDS(!i || job->ops[i].line > job->ops[i - 1].line);
	}
	HOLDS(placed == job->is_placed);
	HOLDS(!placed || job->ops[0].kind == OP_PLACE);
	return job->op_count;
}

static size_t lines_in(const uint8_t *data, size_t size)
{
	size_t lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	return lines;
}

/* A file that has no name is read by its descriptor's. */
static void write_file(FILE *file, const uint8_t *data, size_t size)
{
	rewind(file);
	HOLDS(ftruncate(fileno(file), 0) == 0);
	HOLDS(fwrite(data, 1, size, file) == size && fflush(file) == 0);
	rewind(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *file;
	static json_t *products;
	struct orders orders;
	char path[32];
	size_t taken = 0;

	if (!file) {
		file = tmpfile();
		products = json_pack("{s:i, s:i}", "11", 1400, "chai", 1800);
		HOLDS(file && products);
	}
	write_file(file, data, size);
	HOLDS(snprintf(path, sizeof path, "/dev/fd/%d", fileno(file)) > 0);
	HOLDS(orders_read(path, products, &orders) == 0);
	for (size_t i = 0; i < orders.job_count; i++)
		taken += check_job(&orders.jobs[i]);
	HOLDS(taken + orders.refused <= lines_in(data, size));
	orders_free(&orders);
	return 0;
}
