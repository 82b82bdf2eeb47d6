#ifndef SHOP_DATA_H
#define SHOP_DATA_H

/*
 * The business rules that are data: products with their stock, customers' credit limits, countries
 * that the carrier does not serve. NDJSON, or what stands in data.c. A line that can't be is
 * reported to stderr by file, line and reason, and the rest goes on.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DATA_LINE_BYTES = 65536
}; /* the longest line of any input */

/* One line, its NUL added. NULL: fine; else why it is refused. `why` is the caller's, 160 bytes. */
typedef const char *data_line_fn(
	void *context, size_t line, const char *text, size_t size, char why[160]);

/* Calls back for each line that isn't blank. -1 if the file can't be read, said on stderr. */
int data_lines(const char *path, data_line_fn *fn, void *context, size_t *ret_refused);

/* One line as a JSON object, the caller's; NULL with the reason in why. */
json_t *data_object(const char *text, size_t size, char why[160]);

/* A non-empty text member, or NULL; a whole number, or `otherwise` if it is not there. */
const char *data_text(const json_t *object, const char *name);
bool data_number(const json_t *object, const char *name, int64_t otherwise, int64_t *ret_number);

/* One thing that a service is told before the first order. */
struct datum {
	const char *name;
	int64_t number;
};

struct data {
	struct datum *goods; /* sku, units */
	size_t goods_count;
	struct datum *credit; /* customer, or "*" for all others; cents */
	size_t credit_count;
	struct datum *excluded; /* country */
	size_t excluded_count;
	json_t *products; /* sku -> unit price in cents */
	json_t *kept;     /* what the names above are borrowed from */
};

/*
 * Reads the products, with each one's stock multiplied by restock, and the rules. All paths may be
 * NULL: no products, the rules of data.c. -1 with the reason on stderr; data_free is needed either
 * way.
 */
int data_read(const char *products_path, const char *credit_path, const char *carrier_path,
	int64_t restock, struct data *ret_data);
void data_free(struct data *data);

#endif
