/* The library's tables, for whoever must see them before they are made. */

#include <stdlib.h>

#include "../stores/dialect.h"
#include "../stores/journal.h"
#include "look.h"

/* A column a line: within a table's parentheses, but not within those of its keys. */
static void put_script(const char *sql)
{
	int depth = 0;

	for (const char *at = sql; *at; at++) {
		depth += (*at == '(') - (*at == ')');
		(void)putchar(*at);
		if (*at == ';')
			(void)putchar('\n');
		else if (depth == 1 && *at == ',')
			(void)fputs("\n   ", stdout);
	}
}

int schema(const struct arguments *arguments)
{
	const struct saga__dialect *dialect = saga__dialect_of((saga_dialect)arguments->dialect);
	char *script = dialect ? saga__journal_layout(dialect) : NULL;

	if (!dialect)
		return fail("this build does not know that dialect"), EXIT_FAILED;
	if (!script)
		return fail("out of memory"), EXIT_FAILED;
	put_script(script);
	free(script);
	return look_end(EXIT_DONE);
}
