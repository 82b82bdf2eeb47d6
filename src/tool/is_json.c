#include "is_json.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "../event/utf8.h"

enum {
	LEVELS = 16
};

/* Each of these answers where what it names ends; NULL: there is none. */

static const char *skip_space(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

static const char *escape(const char *at)
{
	if (*at != 'u')
		return *at && strchr("\"\\/bfnrt", *at) ? at + 1 : NULL;
	for (int i = 1; i <= 4; i++)
		if (!isxdigit((unsigned char)at[i]))
			return NULL;
	return at + 5;
}

static const char *string(const char *at)
{
	if (*at++ != '"')
		return NULL;
	while (*at != '"') {
		if ((unsigned char)*at < 0x20)
			return NULL;
		if (*at++ == '\\' && !(at = escape(at)))
			return NULL;
	}
	return at + 1;
}

static const char *digits(const char *at)
{
	size_t count = strspn(at, "0123456789");

	return count ? at + count : NULL;
}

static const char *number(const char *at)
{
	at += *at == '-';
	if (*at == '0')
		at++;
	else if (!(at = digits(at)))
		return NULL;
	if (*at == '.' && !(at = digits(at + 1)))
		return NULL;
	if (*at != 'e' && *at != 'E')
		return at;
	at++;
	return digits(at + (*at == '-' || *at == '+'));
}

static const char *word(const char *at)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strncmp(at, words[i], strlen(words[i])) == 0)
			return at + strlen(words[i]);
	return NULL;
}

static const char *value(const char *at, int levels);

static const char *member(const char *at, int levels)
{
	if (!(at = string(at)))
		return NULL;
	at = skip_space(at);
	return *at == ':' ? value(skip_space(at + 1), levels) : NULL;
}

static const char *many(const char *at, int levels)
{
	char end = *at == '{' ? '}' : ']';

	at = skip_space(at + 1);
	if (*at == end)
		return at + 1;
	for (;;) {
		at = end == '}' ? member(at, levels) : value(at, levels);
		if (!at)
			return NULL;
		at = skip_space(at);
		if (*at == end)
			return at + 1;
		if (*at != ',')
			return NULL;
		at = skip_space(at + 1);
	}
}

static const char *value(const char *at, int levels)
{
	if (*at == '{' || *at == '[')
		return levels ? many(at, levels - 1) : NULL;
	if (*at == '"')
		return string(at);
	return *at == '-' || isdigit((unsigned char)*at) ? number(at) : word(at);
}

bool is_json_object(const char *text)
{
	const char *at = skip_space(text);

	if (*at != '{' || !saga__utf8_text(text, strlen(text)))
		return false;
	at = value(at, LEVELS);
	return at && !*skip_space(at);
}
