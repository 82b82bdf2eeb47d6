#ifndef SAGA_TOOL_TABLE_H
#define SAGA_TOOL_TABLE_H

/* Aligned columns for people. A column that is empty in every row is left out. */

#include <stdbool.h>
#include <stdio.h>

#include "../event/arena.h"

enum {
	TABLE_COLUMNS = 12
};

struct table {
	struct saga__arena arena;
	const char *const *names; /* ended by NULL; must outlive the table */
	size_t columns;
	const char **cells;
	size_t count, room;
	bool lost; /* memory ran out */
};

void table_init(struct table *table, const char *const *names);
void table_free(struct table *table);

/* The next cell, row by row; the text is copied. */
void table_add(struct table *table, const char *format, ...) SAGA_PRINTF(2, 3);

/* False: memory ran out, and nothing was written. */
bool table_print(const struct table *table, FILE *out);

#endif
