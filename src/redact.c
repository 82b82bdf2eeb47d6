#include <saga/plugin.h>

#include <string.h>

#include "event/utf8.h"

/*
 * Takes a URL's secrets out of a text. It reads the URL more loosely than any driver does: a URL
 * that is wrong is the one that ends up in an error, whole or in pieces.
 */

enum {
	CUT_LEAST = 3, /* bytes of a secret whose end the text's own end has cut off */
	PIECE_LEAST = 2,
	SECRET_MOST = 1024, /* bytes of a secret that is no UTF-8 */
	LOOSE_LEAST = 4 /* bytes: a shorter secret is hidden only where it is a word of its own */
};

static const char mask[] = "***";

/* A stretch of the URL that is a secret, and the text that must not hold it. */
struct hiding {
	char *text;
	size_t size; /* of the buffer */
};

static int hex_of(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)((at - digits) % 16) : -1;
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(unsigned char)c >= 0x80;
}

/* The bytes of `text` that begin with the secret, or that are all a cut has left of it; 0: none. */
static size_t match(const char *text, const char *secret, size_t size, bool decodes)
{
	size_t length = 0;

	for (size_t i = 0; i < size; i++, length++) {
		char c = secret[i];

		if (decodes && c == '%' && size - i > 2 && hex_of(secret[i + 1]) >= 0 &&
			hex_of(secret[i + 2]) >= 0) {
			c = (char)(hex_of(secret[i + 1]) * 16 + hex_of(secret[i + 2]));
			i += 2;
		}
		if (text[length] == '\0')
			return length >= CUT_LEAST ? length : 0;
		if (text[length] != c)
			return 0;
	}
	return length;
}

/* Puts the mask in the place of `length` bytes; what finds no room behind it is cut off. */
static void put_mask(struct hiding *hiding, size_t at, size_t length)
{
	size_t left = strlen(hiding->text + at + length);
	size_t room = hiding->size - 1 - at, stars = room < 3 ? room : 3;
	size_t kept = left < room - stars ? left : room - stars;

	memmove(hiding->text + at + stars, hiding->text + at + length, kept);
	memcpy(hiding->text + at, mask, stars);
	hiding->text[at + stars + kept] = '\0';
}

static void hide_form(
	struct hiding *hiding, const char *secret, size_t size, bool decodes, bool words)
{
	for (size_t at = 0; hiding->text[at]; at++) {
		size_t length = match(hiding->text + at, secret, size, decodes);

		if (!length)
			continue;
		if (words &&
			((at && is_word(hiding->text[at - 1])) ||
				is_word(hiding->text[at + length])))
			continue;
		put_mask(hiding, at, length);
		at += strnlen(hiding->text + at, sizeof mask - 1) - 1;
	}
}

/*
 * As saga_error_set writes it: a byte that is no UTF-8 reads `?`. With `decodes`, `%D3` is such a
 * byte, as drivers read it.
 */
static void hide_mended(
	struct hiding *hiding, const char *secret, size_t size, bool decodes, bool words)
{
	char mended[SECRET_MOST];
	size_t length = 0;

	for (size_t i = 0; i < size && length + 1 < sizeof mended; i++) {
		bool escaped = decodes && secret[i] == '%' && size - i > 2 &&
			hex_of(secret[i + 1]) >= 0 && hex_of(secret[i + 2]) >= 0;

		mended[length++] = escaped
			? (char)(hex_of(secret[i + 1]) * 16 + hex_of(secret[i + 2]))
			: secret[i];
		i += escaped ? 2 : 0;
	}
	mended[length] = '\0';
	if (saga__utf8_text(mended, length))
		return; /* nobody changes it */
	saga__utf8_mend(mended);
	length = strlen(mended);
	if (length)
		hide_form(hiding, mended, length, false, words || length < LOOSE_LEAST);
}

/* As the URL has it, as it reads once decoded, and each piece that a parser could cut out of it. */
static void hide(struct hiding *hiding, const char *secret, size_t size)
{
	static const char separators[] = "/?:@,&#=[] %";

	if (!size)
		return;
	hide_form(hiding, secret, size, false, size < LOOSE_LEAST);
	hide_form(hiding, secret, size, true, size < LOOSE_LEAST);
	hide_mended(hiding, secret, size, false, false);
	hide_mended(hiding, secret, size, true, false);
	for (size_t i = 0; i < size;) {
		size_t piece = 0;

		while (i + piece < size && !strchr(separators, secret[i + piece]))
			piece++;
		if (piece >= PIECE_LEAST && piece < size) {
			hide_form(hiding, secret + i, piece, false, true);
			hide_mended(hiding, secret + i, piece, false, true);
		}
		i += piece + 1;
	}
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* The last `c` in [at, end), or NULL. */
static const char *last_of(const char *at, const char *end, char c)
{
	while (end > at)
		if (*--end == c)
			return end;
	return NULL;
}

/* Whether what stands behind the last colon of HOST:PORT is no port. */
static bool has_no_port(const char *at, const char *end)
{
	const char *colon = last_of(at, end, ':');

	if (!colon || (*at == '[' && end[-1] == ']'))
		return false;
	return colon + 1 == end || colon + 1 + strspn(colon + 1, "0123456789") < end;
}

/*
 * Where the user's name and password end: at the last `@` in front of the keys; in the keys, if
 * what is in front of them can't be a server, or they begin without a key's name, so that the `?`
 * may be the password's own. NULL: there is none.
 */
static const char *end_of_user(const char *at)
{
	const char *keys = at + strcspn(at, "?"), *all = keys + strlen(keys);
	const char *end = last_of(at, keys, '@');

	if (end)
		return end;
	if (has_no_port(at, at + strcspn(at, "/?")) || keys[strcspn(keys, "=@")] == '@')
		return last_of(keys, all, '@');
	return NULL;
}

static void hide_user(struct hiding *hiding, const char *url)
{
	static const char *const named[] = { "postgres://", "postgresql://", "mssql://" };
	const char *at = strstr(url, "://"), *end, *colon, *first;
	bool is_token = true; /* a name without a password may be a token */

	for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
		is_token = is_token && !begins(url, named[i]);
	if (at) {
		at += 3;
	} else {
		at = url + strcspn(url, ":/@");
		at = *at == ':' ? at + 1 : url;
		at += strspn(at, "/");
	}
	end = end_of_user(at);
	if (!end && !begins(url, "nng+") && has_no_port(at, at + strcspn(at, "/?"))) {
		end = at + strcspn(at, "/?"); /* the `@HOST` was forgotten */
		is_token = false;
	}
	if (!end)
		return;
	colon = memchr(at, ':', (size_t)(end - at));
	first = colon ? memchr(at, '@', (size_t)(colon - at)) : NULL;
	if (is_token && first)
		hide(hiding, at, (size_t)(first - at)); /* TOKEN@ANOTHER:URL@ */
	if (colon)
		hide(hiding, colon + 1, (size_t)(end - colon - 1));
	else if (is_token)
		hide(hiding, at, (size_t)(end - at));
}

static bool is_secret_name(const char *name, size_t size)
{
	static const char *const parts[] = { "pass", "pwd", "secret", "token" };

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		for (size_t at = 0; at + strlen(parts[i]) <= size; at++)
			if (memcmp(name + at, parts[i], strlen(parts[i])) == 0)
				return true;
	return false;
}

/* KEY=VALUE behind `?`, `&`, `;` or a blank, wherever it is: in a URL, or in a text of pairs. */
static void hide_keys(struct hiding *hiding, const char *url)
{
	while (*url) {
		size_t size = strcspn(url, "?&; "), name = strcspn(url, "=");

		if (name < size && is_secret_name(url, name)) {
			const char *value = url + name + 1;
			bool quoted = *value == '\'';

			value += quoted;
			size = strcspn(value, quoted ? "'" : "&; ");
			hide(hiding, value, size);
			url = value;
		}
		url += size;
		url += *url != '\0';
	}
}

void saga_redact(const char *url, char *text, size_t size)
{
	struct hiding hiding = { .text = text, .size = size };

	if (!url || !*text || begins(url, "sqlite:") || begins(url, "inproc:"))
		return;
	hide_user(&hiding, url);
	hide_keys(&hiding, url);
}
