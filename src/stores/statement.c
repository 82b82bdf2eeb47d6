#include "statement.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../event/utf8.h"

enum {
	BEGINNING = 40 /* bytes of a statement that its error names */
};

/* The first bytes of a statement, cut between two characters. */
static const char *beginning(const char *sql, char buffer[BEGINNING + 4])
{
	size_t size;

	sql += strspn(sql, " \t\r\n");
	size = strnlen(sql, BEGINNING + 1);
	if (size <= BEGINNING) {
		memcpy(buffer, sql, size + 1);
		return buffer;
	}
	size = BEGINNING;
	while (size > 0 && ((unsigned char)sql[size] & 0xc0) == 0x80)
		size--;
	memcpy(buffer, sql, size);
	memcpy(buffer + size, "...", 4);
	return buffer;
}

int saga__statement_fail(int code, const char *sql, saga_error *error, const char *format, ...)
{
	char begins[BEGINNING + 4], why[SAGA_ERROR_TEXT];
	va_list list;

	va_start(list, format);
	saga__vsay(why, sizeof why, format, list);
	va_end(list);
	return saga_error_set(error, code, "`%s`: %s", beginning(sql, begins), why);
}
