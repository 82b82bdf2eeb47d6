#include "complain.h"

#include <saga/plugin.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
	HIDDEN_MOST = 64,
	LINE_BYTES = 4096
};

/* A program's own, filled before it makes a thread. */
static const char *hidden[HIDDEN_MOST];
static size_t hidden_count;

void complain_hides(const char *given)
{
	const char *value = strncmp(given, "--", 2) == 0 ? strchr(given, '=') : NULL;

	given = value ? value + 1 : given;
	if (strpbrk(given, ":@=") && hidden_count < HIDDEN_MOST)
		hidden[hidden_count++] = given;
}

void complain_hides_all(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		complain_hides(argv[i]);
}

void put_shown(FILE *out, const char *text)
{
	size_t size = saga_text_shown(text, NULL, 0) + 1;
	char few[1024], *shown = size <= sizeof few ? few : malloc(size);

	(void)saga_text_shown(text, shown ? shown : few, shown ? size : sizeof few);
	fputs(shown ? shown : few, out);
	if (!shown)
		fputs("... (out of memory)", out);
	else if (shown != few)
		free(shown);
}

/* A whole line at one go: stderr has no buffer, and others write to it, or read line by line. */
void complain(const char *format, ...)
{
	char text[LINE_BYTES], shown[4 * LINE_BYTES];
	va_list list;

	va_start(list, format);
	(void)vsnprintf(text, sizeof text, format, list);
	va_end(list);
	for (size_t i = 0; i < hidden_count; i++)
		saga_redact(hidden[i], text, sizeof text);
	(void)saga_text_shown(text, shown, sizeof shown);
	fprintf(stderr, "%s\n", shown);
}

void complain_option(const char *program, const char *given, bool lacks_value)
{
	complain("%s: option `%.*s` %s", program, (int)strcspn(given, "="), given,
		lacks_value ? "requires an argument" : "is not known, or takes no value");
}
