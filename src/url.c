#include <saga/plugin.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
	KEY_BYTES = 32,
	VALUE_BYTES = 64, /* of a number or a word */
	LIST_BYTES = 160, /* of the keys that an error lists */
	SETTINGS_MOST = 64
};

/* One call of saga_url_settings. */
struct reading {
	const char *of;
	const saga_url_setting *settings;
	char *into;
	saga_error *error;
	uint64_t seen; /* bits of the settings that the URL has named */
};

static int hex_of(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)((at - digits) % 16) : -1;
}

/* A `%00` would end the text before its end, so it is malformed too. */
int saga_url_decode(const char *text, size_t size, char *to, size_t room)
{
	size_t used = 0;

	assert(room > 0);
	for (size_t i = 0; i < size; i++) {
		char c = text[i];

		if (c == '%') {
			int high = size - i > 2 ? hex_of(text[i + 1]) : -1;
			int low = high < 0 ? -1 : hex_of(text[i + 2]);

			if (low < 0 || high + low == 0)
				return SAGA_MALFORMED;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (used + 1 == room)
			return SAGA_TOO_BIG;
		to[used++] = c;
	}
	to[used] = '\0';
	return SAGA_OK;
}

bool saga_url_number(
	const char *text, size_t size, int64_t least, int64_t most, int64_t *ret_number)
{
	int64_t number = 0;

	assert(least >= 0 && least <= most);
	for (size_t i = 0; i < size; i++) {
		int64_t digit = text[i] - '0';

		if (digit < 0 || digit > 9 || number > (most - digit) / 10)
			return false;
		number = 10 * number + digit;
	}
	if (!size || number < least || number > most)
		return false;
	*ret_number = number;
	return true;
}

/* ---- a setting ---- */

static int no_percent(const struct reading *reading, const char *key)
{
	return saga_error_set(reading->error, SAGA_MALFORMED,
		"%s: in the value of %s a `%%` has no two hex digits behind it, or is %%00; a `%%` "
		"itself is written %%25",
		reading->of, key);
}

static int take_text(
	struct reading *reading, const saga_url_setting *setting, const char *value, size_t size)
{
	char *to = reading->into + setting->offset;
	int code = saga_url_decode(value, size, to, (size_t)setting->most + 1);

	if (code == SAGA_MALFORMED)
		return no_percent(reading, setting->key);
	if (code == SAGA_OK && strlen(to) >= (size_t)setting->least)
		return SAGA_OK;
	return saga_error_set(reading->error, SAGA_MALFORMED,
		"%s: %s is a text of %lld to %lld bytes; it has %zu in the URL", reading->of,
		setting->key, (long long)setting->least, (long long)setting->most, size);
}

static int take_number(struct reading *reading, const saga_url_setting *setting, const char *value)
{
	int64_t number;

	if (!saga_url_number(value, strlen(value), setting->least, setting->most, &number))
		return saga_error_set(reading->error, SAGA_MALFORMED,
			"%s: %s is a number from %lld to %lld, not `%s`", reading->of, setting->key,
			(long long)setting->least, (long long)setting->most, value);
	memcpy(reading->into + setting->offset, &number, sizeof number);
	return SAGA_OK;
}

static int take_word(struct reading *reading, const saga_url_setting *setting, const char *value)
{
	const char *word = setting->words;
	size_t size = strlen(value);

	for (int i = 0; *word; i++) {
		size_t length = strcspn(word, " ");

		if (length == size && memcmp(word, value, size) == 0) {
			memcpy(reading->into + setting->offset, &i, sizeof i);
			return SAGA_OK;
		}
		word += length + strspn(word + length, " ");
	}
	return saga_error_set(reading->error, SAGA_MALFORMED, "%s: %s is one of `%s`, not `%s`",
		reading->of, setting->key, setting->words, value);
}

/* A value is shown whole or not at all: saga_redact does not know half of a secret. */
static int take_value(
	struct reading *reading, const saga_url_setting *setting, const char *value, size_t size)
{
	char decoded[VALUE_BYTES];
	int code;

	if (setting->kind == SAGA_URL_TEXT)
		return take_text(reading, setting, value, size);
	code = saga_url_decode(value, size, decoded, sizeof decoded);
	if (code == SAGA_MALFORMED)
		return no_percent(reading, setting->key);
	if (code != SAGA_OK)
		(void)snprintf(decoded, sizeof decoded, "a text of %zu bytes", size);
	return setting->kind == SAGA_URL_NUMBER ? take_number(reading, setting, decoded)
						: take_word(reading, setting, decoded);
}

/* ---- all of them ---- */

static int unknown(const struct reading *reading, const char *key)
{
	char list[LIST_BYTES] = "";
	size_t used = 0;

	for (size_t i = 0; reading->settings[i].key && used < sizeof list; i++)
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
			reading->settings[i].key);
	return saga_error_set(reading->error, SAGA_MALFORMED, "%s: there is no setting `%s`; %s%s",
		reading->of, key, used ? "there are " : "there are none", list);
}

/* The index of the setting in the table, or that of the table's end. */
static size_t index_of(const struct reading *reading, const char *key)
{
	size_t i = 0;

	while (reading->settings[i].key && strcmp(reading->settings[i].key, key) != 0)
		i++;
	assert(i < SETTINGS_MOST);
	return i;
}

/* Takes the nth piece, KEY=VALUE. *ret_ours: false: the table does not have it. */
static int take_piece(
	struct reading *reading, size_t n, const char *piece, size_t size, bool *ret_ours)
{
	const char *equals = memchr(piece, '=', size);
	size_t length = equals ? (size_t)(equals - piece) : size, i;
	char key[KEY_BYTES] = "";
	bool legible = saga_url_decode(piece, length, key, sizeof key) == SAGA_OK;
	const saga_url_setting *setting;

	i = legible ? index_of(reading, key) : 0;
	setting = legible && reading->settings[i].key ? &reading->settings[i] : NULL;
	*ret_ours = setting != NULL;
	if (setting && !equals)
		return saga_error_set(
			reading->error, SAGA_MALFORMED, "%s: %s has no =VALUE", reading->of, key);
	if (!equals || !length || !legible)
		return saga_error_set(reading->error, SAGA_MALFORMED,
			"%s: setting %zu behind the `?` of the URL is not KEY=VALUE", reading->of,
			n);
	if (!setting)
		return unknown(reading, key);
	if (reading->seen & UINT64_C(1) << i)
		return saga_error_set(reading->error, SAGA_MALFORMED,
			"%s: %s comes twice in the URL", reading->of, key);
	reading->seen |= UINT64_C(1) << i;
	return take_value(reading, setting, equals + 1, size - length - 1);
}

static int take_pieces(struct reading *reading, const char *at, char *rest)
{
	bool first = true, last, ours;
	int code;

	for (size_t n = 1;; n++) {
		size_t size = strcspn(at, "&");

		last = at[size] == '\0';
		code = take_piece(reading, n, at, size, &ours);
		if (code != SAGA_OK && (ours || !rest))
			return code;
		if (!ours && rest && size > 0) {
			*rest++ = first ? '?' : '&';
			memcpy(rest, at, size);
			rest += size;
			*rest = '\0';
			first = false;
		}
		if (last)
			return SAGA_OK;
		at += size + 1;
	}
}

int saga_url_settings(const char *of, const char *url, const saga_url_setting *settings, void *into,
	char *ret_rest, saga_error *error)
{
	struct reading reading = { .of = of, .settings = settings, .into = into, .error = error };
	const char *at = url + strcspn(url, "?");
	int code = SAGA_OK;

	if (ret_rest) {
		memcpy(ret_rest, url, (size_t)(at - url));
		ret_rest += at - url;
		*ret_rest = '\0';
	}
	if (*at)
		code = take_pieces(&reading, at + 1, ret_rest);
	if (code != SAGA_OK && error)
		saga_redact(url, error->text, sizeof error->text);
	return code;
}
