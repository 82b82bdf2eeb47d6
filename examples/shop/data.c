#include "data.h"

#include "complain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The default rules. With Northwind's orders and its stock times 50, of the 830 orders about two
 * thirds are fulfilled; 22% find no stock, 5% are beyond their credit, 6% go where nobody drives.
 */
static const struct datum default_credit[] = {
	{ "*", 250000 },
	{ "SAVEA", 1200000 },
	{ "ERNSH", 1200000 },
	{ "QUICK", 1200000 },
	{ "HUNGO", 800000 },
	{ "RATTC", 800000 },
};
static const struct datum default_excluded[] = { { "Venezuela", 0 }, { "Ireland", 0 } };

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- lines ---- */

/* Reads one line without its end. Its length, also beyond `room` (what did not fit is skipped). */
static size_t next_line(FILE *file, char *line, size_t room, bool *ret_more)
{
	size_t size = 0;
	int c;

	while ((c = getc(file)) != EOF && c != '\n') {
		if (size < room)
			line[size] = (char)c;
		size++;
	}
	*ret_more = c != EOF;
	return size;
}

/*
 * A line that is too long is no JSON that can be read. Its first members tell whose it is, if they
 * name it before any list or object begins.
 */
static const char *too_long(const char *line, size_t size, char why[160])
{
	static const char name[] = "\"ref\"";
	const char *inner = strpbrk(strchr(line, '{') ? strchr(line, '{') + 1 : line, "[{");
	const char *at = strstr(line, name), *end = NULL;

	if (at && (!inner || at < inner)) {
		at += sizeof name - 1;
		at += strspn(at, " \t:");
		end = *at == '"' ? strchr(at + 1, '"') : NULL;
	}
	snprintf(why, 160, "%s%.*s%sthe line has %zu bytes, %d are the most", end ? "order " : "",
		end && end - at <= 41 ? (int)(end - at - 1)
			: end         ? 40
				      : 0,
		end ? at + 1 : "", end ? ": " : "", size, (int)DATA_LINE_BYTES);
	return why;
}

static const char *take_line(
	char *line, size_t size, size_t number, data_line_fn *fn, void *context, char why[160])
{
	if (size > DATA_LINE_BYTES) {
		line[DATA_LINE_BYTES] = '\0';
		return too_long(line, size, why);
	}
	line[size] = '\0';
	if (strlen(line) < size)
		return "the line contains a NUL byte";
	if (strspn(line, " \t\r") == size)
		return NULL;
	return fn(context, number, line, size, why);
}

int data_lines(const char *path, data_line_fn *fn, void *context, size_t *ret_refused)
{
	FILE *file = fopen(path, "r");
	char *line = malloc(DATA_LINE_BYTES + 1);
	char why[160];
	bool more = true;
	int code = -1;

	if (!file || !line) {
		complain("shop: %s: %s", path, strerror(errno));
		goto free_line;
	}
	for (size_t number = 1; more; number++) {
		size_t size = next_line(file, line, DATA_LINE_BYTES, &more);
		const char *fault = take_line(line, size, number, fn, context, why);

		if (fault) {
			complain("%s:%zu: refused: %s", path, number, fault);
			++*ret_refused;
		}
	}
	if (ferror(file))
		complain("shop: %s: %s", path, strerror(errno));
	else
		code = 0;
free_line:
	free(line);
	if (file)
		fclose(file);
	return code;
}

/* ---- JSON ---- */

json_t *data_object(const char *text, size_t size, char why[160])
{
	json_error_t error;
	json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);

	if (!object) {
		snprintf(why, 160, "bad JSON at byte %d: %.110s", error.position, error.text);
		return NULL;
	}
	if (!json_is_object(object)) {
		snprintf(why, 160, "not a JSON object");
		json_decref(object);
		return NULL;
	}
	return object;
}

const char *data_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text && *text ? text : NULL;
}

bool data_number(const json_t *object, const char *name, int64_t otherwise, int64_t *ret_number)
{
	const json_t *member = json_object_get(object, name);

	if (member && !json_is_integer(member))
		return false;
	*ret_number = member ? (int64_t)json_integer_value(member) : otherwise;
	return true;
}

/* ---- the rules ---- */

struct reading {
	struct data *data;
	int64_t restock;
};

static const char *append(struct datum **list, size_t *count, const char *name, int64_t number)
{
	struct datum *longer = realloc(*list, (*count + 1) * sizeof *longer);

	if (!longer)
		return "out of memory";
	*list = longer;
	longer[(*count)++] = (struct datum){ .name = name, .number = number };
	return NULL;
}

static const char *take_product(struct reading *reading, const json_t *object)
{
	struct data *data = reading->data;
	const char *sku = data_text(object, "sku");
	int64_t units, price;

	if (!sku || strlen(sku) > 40)
		return "no product number: `sku` is a text of 1 to 40 bytes";
	if (json_object_get(data->products, sku))
		return "this product came before";
	if (!data_number(object, "units_in_stock", -1, &units) || units < 0 || units > 1000000000)
		return "`units_in_stock` is no whole number from 0 to 1000000000";
	if (!data_number(object, "unit_price_cents", -1, &price) || price < 0 || price > 100000000)
		return "`unit_price_cents` is no whole number from 0 to 100000000";
	json_object_set_new(data->products, sku, json_integer(price));
	return append(&data->goods, &data->goods_count, sku, units * reading->restock);
}

static const char *take_credit(struct reading *reading, const json_t *object)
{
	const char *customer = data_text(object, "customer");
	int64_t cents;

	if (!customer || strlen(customer) > 40)
		return "`customer` is no text of 1 to 40 bytes";
	if (!data_number(object, "credit_cents", -1, &cents) || cents < 0)
		return "`credit_cents` is no whole number from 0";
	return append(&reading->data->credit, &reading->data->credit_count, customer, cents);
}

static const char *take_country(struct reading *reading, const json_t *object)
{
	const char *country = data_text(object, "excluded");

	if (!country || strlen(country) > 40)
		return "`excluded` is no text of 1 to 40 bytes";
	return append(&reading->data->excluded, &reading->data->excluded_count, country, 0);
}

static const char *take(struct reading *reading, const char *text, size_t size, char why[160],
	const char *(*member)(struct reading *, const json_t *))
{
	json_t *object = data_object(text, size, why);

	if (!object)
		return why;
	json_array_append_new(reading->data->kept, object);
	return member(reading, object);
}

static const char *product_line(
	void *context, size_t line, const char *text, size_t size, char why[160])
{
	(void)line;
	return take(context, text, size, why, take_product);
}

static const char *credit_line(
	void *context, size_t line, const char *text, size_t size, char why[160])
{
	(void)line;
	return take(context, text, size, why, take_credit);
}

static const char *country_line(
	void *context, size_t line, const char *text, size_t size, char why[160])
{
	(void)line;
	return take(context, text, size, why, take_country);
}

static int read_rule(const char *path, data_line_fn *fn, struct reading *reading,
	const struct datum *defaults, size_t default_count, struct datum **list, size_t *count)
{
	size_t refused = 0;

	if (path)
		return data_lines(path, fn, reading, &refused);
	for (size_t i = 0; i < default_count; i++)
		if (append(list, count, defaults[i].name, defaults[i].number))
			return -1;
	return 0;
}

int data_read(const char *products_path, const char *credit_path, const char *carrier_path,
	int64_t restock, struct data *ret_data)
{
	struct data *data = ret_data;
	struct reading reading = { .data = data, .restock = restock };
	size_t refused = 0;

	*data = (struct data){ .products = json_object(), .kept = json_array() };
	if (!data->products || !data->kept ||
		(products_path &&
			data_lines(products_path, product_line, &reading, &refused) != 0) ||
		read_rule(credit_path, credit_line, &reading, default_credit, COUNT(default_credit),
			&data->credit, &data->credit_count) != 0 ||
		read_rule(carrier_path, country_line, &reading, default_excluded,
			COUNT(default_excluded), &data->excluded, &data->excluded_count) != 0)
		return -1;
	if (products_path && data->goods_count == 0) {
		complain("shop: %s: no product", products_path);
		return -1;
	}
	return 0;
}

void data_free(struct data *data)
{
	free(data->goods);
	free(data->credit);
	free(data->excluded);
	json_decref(data->products);
	json_decref(data->kept);
}
