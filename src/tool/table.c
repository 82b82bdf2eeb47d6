#include "table.h"

#include <stdint.h>
#include <stdlib.h>

#include "text.h"

void table_init(struct table *table, const char *const *names)
{
	*table = (struct table){ .names = names };
	saga__arena_init(&table->arena, SIZE_MAX);
	while (table->columns < TABLE_COLUMNS && names[table->columns])
		table->columns++;
}

void table_free(struct table *table)
{
	free(table->cells);
	saga__arena_free(&table->arena);
}

static bool make_room(struct table *table)
{
	size_t room = table->room ? 2 * table->room : 64;
	const char **cells;

	if (table->count < table->room)
		return true;
	if (!(cells = realloc(table->cells, room * sizeof *cells)))
		return false;
	table->cells = cells;
	table->room = room;
	return true;
}

void table_add(struct table *table, const char *format, ...)
{
	va_list list;
	char *cell;

	va_start(list, format);
	cell = saga__arena_vformat(&table->arena, format, list);
	va_end(list);
	if (!cell || !make_room(table)) {
		table->lost = true;
		return;
	}
	table->cells[table->count++] = cell;
}

static void measure(const struct table *table, size_t widths[TABLE_COLUMNS])
{
	for (size_t i = 0; i < table->count; i++) {
		size_t width = width_of(table->cells[i]), *most = &widths[i % table->columns];

		if (width > *most)
			*most = width;
	}
	for (size_t i = 0; i < table->columns; i++) {
		size_t width = width_of(table->names[i]);

		if (widths[i] && width > widths[i])
			widths[i] = width;
	}
}

static void print_row(const struct table *table, const char *const *cells,
	const size_t widths[TABLE_COLUMNS], FILE *out)
{
	size_t behind = 0;

	for (size_t i = 0; i < table->columns; i++) {
		if (!widths[i] || !*cells[i]) {
			behind += widths[i] ? widths[i] + 2 : 0;
			continue;
		}
		fprintf(out, "%*s", (int)behind, "");
		put_shown(out, cells[i]);
		behind = widths[i] + 2 - width_of(cells[i]);
	}
	fputc('\n', out);
}

bool table_print(const struct table *table, FILE *out)
{
	size_t widths[TABLE_COLUMNS] = { 0 };

	if (table->lost)
		return false;
	measure(table, widths);
	print_row(table, table->names, widths, out);
	for (size_t i = 0; i + table->columns <= table->count; i += table->columns)
		print_row(table, table->cells + i, widths, out);
	return true;
}
