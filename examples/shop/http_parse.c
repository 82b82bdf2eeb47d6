#include "http_parse.h"

#include <assert.h>
#include <string.h>

/* ---- where a head ends ---- */

static bool is_control(char c)
{
	return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
}

enum http_scan http_scan(
	struct http_scanner *scanner, const char *bytes, size_t size, size_t *ret_used)
{
	for (size_t i = 0; i < size; i++) {
		*ret_used = i + 1;
		if (scanner->is_after_cr != (bytes[i] == '\n'))
			return HTTP_SCAN_BAD;
		if (bytes[i] == '\n' && scanner->line == 0)
			return HTTP_SCAN_END;
		scanner->is_after_cr = bytes[i] == '\r';
		if (is_control(bytes[i]) && bytes[i] != '\r' && bytes[i] != '\n')
			return HTTP_SCAN_BAD;
		if (bytes[i] == '\n')
			scanner->line = 0;
		else if (bytes[i] != '\r')
			scanner->line++;
	}
	*ret_used = size;
	return HTTP_SCAN_MORE;
}

/* ---- small things ---- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool http_is_same(const char *a, const char *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

static bool is_named(const char *name, const char *wanted)
{
	return strlen(name) == strlen(wanted) && http_is_same(name, wanted, strlen(wanted));
}

/* RFC 9110, 5.6.2. */
static bool is_token(const char *text)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (const char *at = text; *at; at++)
		if (!(*at >= '0' && *at <= '9') && !(lower(*at) >= 'a' && lower(*at) <= 'z') &&
			!strchr(others, *at))
			return false;
	return *text;
}

/* Whether a list of tokens, as "close, x", has that one. */
static bool has_token(const char *list, const char *wanted)
{
	size_t size = strlen(wanted);

	while (*list) {
		size_t part;

		list += strspn(list, ", \t");
		part = strcspn(list, ", \t");
		if (part == size && http_is_same(list, wanted, size))
			return true;
		list += part;
	}
	return false;
}

const char *http_field_of(const struct http_head *head, const char *name)
{
	for (size_t i = 0; i < head->field_count; i++)
		if (is_named(head->fields[i].name, name))
			return head->fields[i].value;
	return NULL;
}

static size_t count_fields(const struct http_head *head, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < head->field_count; i++)
		count += is_named(head->fields[i].name, name);
	return count;
}

/* ---- a head's parts: each answers a status, 0 if it is well ---- */

static int refuse(int status, const char *why, const char **ret_why)
{
	*ret_why = why;
	return status;
}

static int parse_target(char *target, struct http_head *head, const char **ret_why)
{
	char *query = strchr(target, '?');
	const char *host = NULL;

	for (const char *at = target; *at; at++)
		if (*at == ' ' || *at == '\t' || *at == '#')
			return refuse(400, "the request's target has a blank or a #", ret_why);
	head->query = query ? query + 1 : "";
	if (query)
		*query = '\0';
	if (http_is_same(target, "http://", 7))
		host = target + 7;
	else if (http_is_same(target, "https://", 8))
		host = target + 8;
	if (host && !host[strcspn(host, "/")]) {
		head->path = "/";
		return 0;
	}
	head->path = host ? host + strcspn(host, "/") : target;
	if (*head->path != '/' && strcmp(head->path, "*") != 0)
		return refuse(400, "the request's target is no path and no URL", ret_why);
	return 0;
}

static int parse_request_line(
	char *line, struct http_head *head, bool *ret_is_old, const char **ret_why)
{
	char *target = strchr(line, ' '), *version = target ? strrchr(line, ' ') : NULL;

	if (!target || target == version)
		return refuse(400, "the first line is no METHOD TARGET HTTP/1.1", ret_why);
	*target++ = *version++ = '\0';
	if (!is_token(line))
		return refuse(400, "the request's method is no token", ret_why);
	if (strncmp(version, "HTTP/", 5) != 0)
		return refuse(400, "the first line is no METHOD TARGET HTTP/1.1", ret_why);
	if (strncmp(version, "HTTP/1.", 7) != 0 || version[7] < '0' || version[7] > '9' ||
		version[8])
		return refuse(505, "the version is not HTTP/1.1 or HTTP/1.0", ret_why);
	head->method = line;
	*ret_is_old = version[7] == '0';
	return parse_target(target, head, ret_why);
}

static int parse_field(char *line, struct http_head *head, const char **ret_why)
{
	char *value = strchr(line, ':'), *end;

	if (*line == ' ' || *line == '\t')
		return refuse(400, "a header goes on in a second line", ret_why);
	if (!value)
		return refuse(400, "a header has no colon", ret_why);
	if (head->field_count == HTTP_FIELDS)
		return refuse(431, "a request has 100 headers at most", ret_why);
	*value++ = '\0';
	if (!is_token(line))
		return refuse(400, "a header's name is no token", ret_why);
	value += strspn(value, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	head->fields[head->field_count++] = (struct http_field){ .name = line, .value = value };
	return 0;
}

/* What a second one of would be read by one as the first, by another as the last. */
static int check_singles(const struct http_head *head, bool is_old, const char **ret_why)
{
	static const char *const singles[] = { "Host", "Content-Length", "Transfer-Encoding",
		"Content-Type", "Authorization", "Idempotency-Key", "Expect" };

	for (size_t i = 0; i < sizeof singles / sizeof singles[0]; i++)
		if (count_fields(head, singles[i]) > 1)
			return refuse(400,
				"one of Host, Content-Length, Transfer-Encoding, Content-Type,"
				" Authorization, Idempotency-Key and Expect comes twice",
				ret_why);
	if (!is_old && count_fields(head, "Host") == 0)
		return refuse(400, "there is no Host", ret_why);
	return 0;
}

static int read_length(const char *text, uint64_t *ret_length, const char **ret_why)
{
	uint64_t length = 0;

	for (const char *at = text; *at; at++) {
		if (*at < '0' || *at > '9' || length > UINT64_MAX / 10 - 1)
			return refuse(400, "Content-Length is no number of bytes", ret_why);
		length = length * 10 + (uint64_t)(*at - '0');
	}
	if (!*text)
		return refuse(400, "Content-Length is empty", ret_why);
	*ret_length = length;
	return 0;
}

static int parse_framing(struct http_head *head, bool is_old, const char **ret_why)
{
	const char *length = http_field_of(head, "Content-Length");
	const char *encoding = http_field_of(head, "Transfer-Encoding");

	if (encoding && (length || is_old))
		return refuse(
			400, "Transfer-Encoding beside Content-Length, or in HTTP/1.0", ret_why);
	if (encoding && !is_named(encoding, "chunked"))
		return refuse(501, "a Transfer-Encoding that is not chunked", ret_why);
	head->is_chunked = encoding;
	return length ? read_length(length, &head->length, ret_why) : 0;
}

static int parse_wishes(struct http_head *head, bool is_old, const char **ret_why)
{
	const char *expect = http_field_of(head, "Expect");

	head->is_kept = !is_old;
	for (size_t i = 0; i < head->field_count; i++)
		if (is_named(head->fields[i].name, "Connection") &&
			has_token(head->fields[i].value, "close"))
			head->is_kept = false;
	if (expect && !is_old && !is_named(expect, "100-continue"))
		return refuse(417, "an Expect that is not 100-continue", ret_why);
	head->is_awaiting = expect && !is_old;
	return 0;
}

int http_parse_head(char *text, size_t size, struct http_head *ret_head, const char **ret_why)
{
	char *line = text;
	bool is_old = false;
	int status;

	assert(size >= 2 && text[size - 1] == '\n' && text[size - 2] == '\r');
	*ret_head = (struct http_head){ .method = "", .path = "", .query = "" };
	while (line < text + size) {
		char *end = memchr(line, '\r', (size_t)(text + size - line));

		assert(end); /* http_scan has found each line's end */
		*end = '\0';
		status = line == text ? parse_request_line(line, ret_head, &is_old, ret_why)
			: *line       ? parse_field(line, ret_head, ret_why)
				      : 0;
		if (status)
			return status;
		line = end + 2;
	}
	status = check_singles(ret_head, is_old, ret_why);
	if (!status)
		status = parse_framing(ret_head, is_old, ret_why);
	return status ? status : parse_wishes(ret_head, is_old, ret_why);
}

/* ---- chunks ---- */

static int hex(char c)
{
	return c >= '0' && c <= '9'                  ? c - '0'
		: lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10
						     : -1;
}

enum {
	SIZE_DIGITS = 8 /* of a chunk */
};

static enum http_chunk_state after_size(struct http_chunks *chunks, char c)
{
	int digit = hex(c);

	if (digit >= 0 && chunks->digits < SIZE_DIGITS) {
		chunks->left = chunks->left * 16 + (uint64_t)digit;
		chunks->digits++;
		return HTTP_CHUNK_SIZE;
	}
	if (digit >= 0 || chunks->digits == 0)
		return HTTP_CHUNK_BAD;
	return c == '\r'                            ? HTTP_CHUNK_SIZE_LF
		: c == ';' || c == ' ' || c == '\t' ? HTTP_CHUNK_EXTENSION
						    : HTTP_CHUNK_BAD;
}

/* Of what is read and forgotten. */
static enum http_chunk_state after_overhead(struct http_chunks *chunks, char c,
	enum http_chunk_state same, enum http_chunk_state at_end)
{
	if (c == '\r')
		return at_end;
	return is_control(c) || ++chunks->overhead > HTTP_HEAD_MOST ? HTTP_CHUNK_BAD : same;
}

static enum http_chunk_state after_trailer_line(struct http_chunks *chunks)
{
	if (chunks->line == 0)
		return HTTP_CHUNK_END;
	chunks->line = 0;
	return HTTP_CHUNK_TRAILER;
}

static enum http_chunk_state after_byte(struct http_chunks *chunks, char c)
{
	switch (chunks->state) {
	case HTTP_CHUNK_SIZE:
		return after_size(chunks, c);
	case HTTP_CHUNK_EXTENSION:
		return after_overhead(chunks, c, HTTP_CHUNK_EXTENSION, HTTP_CHUNK_SIZE_LF);
	case HTTP_CHUNK_SIZE_LF:
		chunks->digits = 0;
		return c != '\n'       ? HTTP_CHUNK_BAD
			: chunks->left ? HTTP_CHUNK_DATA
				       : HTTP_CHUNK_TRAILER;
	case HTTP_CHUNK_DATA_CR:
		return c == '\r' ? HTTP_CHUNK_DATA_LF : HTTP_CHUNK_BAD;
	case HTTP_CHUNK_DATA_LF:
		return c == '\n' ? HTTP_CHUNK_SIZE : HTTP_CHUNK_BAD;
	case HTTP_CHUNK_TRAILER:
		chunks->line += c != '\r';
		return after_overhead(chunks, c, HTTP_CHUNK_TRAILER, HTTP_CHUNK_TRAILER_LF);
	case HTTP_CHUNK_TRAILER_LF:
		return c == '\n' ? after_trailer_line(chunks) : HTTP_CHUNK_BAD;
	case HTTP_CHUNK_DATA:
	case HTTP_CHUNK_END:
	case HTTP_CHUNK_BAD:
		break;
	}
	return HTTP_CHUNK_BAD;
}

size_t http_chunks_take(struct http_chunks *chunks, const char *bytes, size_t size,
	const char **ret_data, size_t *ret_data_size)
{
	size_t used = 0;

	*ret_data_size = 0;
	while (used < size && chunks->state != HTTP_CHUNK_DATA && chunks->state != HTTP_CHUNK_END &&
		chunks->state != HTTP_CHUNK_BAD)
		chunks->state = after_byte(chunks, bytes[used++]);
	if (used == size || chunks->state != HTTP_CHUNK_DATA)
		return used;
	assert(chunks->left > 0);
	*ret_data = bytes + used;
	*ret_data_size = size - used < chunks->left ? size - used : (size_t)chunks->left;
	chunks->left -= *ret_data_size;
	if (chunks->left == 0)
		chunks->state = HTTP_CHUNK_DATA_CR;
	return used + *ret_data_size;
}
