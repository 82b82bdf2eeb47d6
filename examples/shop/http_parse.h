#ifndef SHOP_HTTP_PARSE_H
#define SHOP_HTTP_PARSE_H

/*
 * What HTTP/1.1 looks like on the wire (RFC 9112): a request's head, its framing, its chunks. Pure:
 * bytes in, no reading. It is strict where two readers of one request could disagree: that is how
 * requests are smuggled past whoever stands in front.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HTTP_HEAD_MOST = 8 * 1024, /* bytes of a request's line and headers */
	HTTP_FIELDS = 100          /* headers of a request */
};

/* ---- where a head ends ---- */

enum http_scan {
	HTTP_SCAN_MORE, /* all bytes were taken, the head goes on */
	HTTP_SCAN_END,
	HTTP_SCAN_BAD /* a NUL, another control byte, or a line that does not end by CR LF */
};

/* Begins as zeros. */
struct http_scanner {
	size_t line; /* bytes of the line so far */
	bool is_after_cr;
};

/* Goes on with these bytes; how many belong to the head. */
enum http_scan http_scan(
	struct http_scanner *scanner, const char *bytes, size_t size, size_t *ret_used);

/* ---- a head ---- */

struct http_field {
	const char *name, *value;
};

/* Its texts point into the parsed bytes. */
struct http_head {
	const char *method;
	const char
		*path; /* as sent, with its %XX; of an absolute target: without scheme and host */
	const char *query; /* behind the '?'; "" */
	struct http_field fields[HTTP_FIELDS];
	size_t field_count;
	uint64_t length; /* of its body, unless it is chunked */
	bool is_chunked;
	bool is_kept;     /* the connection is to live on */
	bool is_awaiting; /* the client waits for 100 Continue */
};

/*
 * Parses a whole head, in place. 0; or the status that refuses it, with the reason, a static text:
 * after it nobody knows where the next request begins.
 */
int http_parse_head(char *text, size_t size, struct http_head *ret_head, const char **ret_why);

/* The first header of that name, in any case; NULL: none. */
const char *http_field_of(const struct http_head *head, const char *name);

/* Whether both are the same but for the case of ASCII letters, in their first `size` bytes. */
bool http_is_same(const char *a, const char *b, size_t size);

/* ---- chunks ---- */

enum http_chunk_state {
	HTTP_CHUNK_SIZE,
	HTTP_CHUNK_EXTENSION,
	HTTP_CHUNK_SIZE_LF,
	HTTP_CHUNK_DATA,
	HTTP_CHUNK_DATA_CR,
	HTTP_CHUNK_DATA_LF,
	HTTP_CHUNK_TRAILER,
	HTTP_CHUNK_TRAILER_LF,
	HTTP_CHUNK_END,
	HTTP_CHUNK_BAD
};

/* Begins as zeros. */
struct http_chunks {
	enum http_chunk_state state;
	uint64_t left;   /* of a chunk's data */
	size_t digits;   /* of its size */
	size_t line;     /* bytes of a trailer's line */
	size_t overhead; /* bytes of extensions and trailers: HTTP_HEAD_MOST at most */
};

/* Goes on until it meets data, has no bytes left, ends or is bad; how many bytes it took. */
size_t http_chunks_take(struct http_chunks *chunks, const char *bytes, size_t size,
	const char **ret_data, size_t *ret_data_size);

#endif
