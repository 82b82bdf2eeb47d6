/*
 * What anybody may send to the shop's HTTP: a head, then a body in chunks. However the bytes are
 * cut into pieces, the same comes of it.
 */
#include "fuzz.h"

#include "../../examples/shop/http_parse.h"

struct read {
	enum http_scan scan;
	int status;
	enum http_chunk_state chunks;
	size_t used, body;
	uint64_t sum;
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t take_head(struct read *read, const uint8_t *data, size_t size, size_t piece)
{
	struct http_scanner scanner = { .line = 0 };
	size_t at = 0, used = 0;

	read->scan = HTTP_SCAN_MORE;
	while (read->scan == HTTP_SCAN_MORE && at < least(size, HTTP_HEAD_MOST)) {
		size_t left = least(piece, least(size, HTTP_HEAD_MOST) - at);

		read->scan = http_scan(&scanner, (const char *)data + at, left, &used);
		HOLDS(used > 0 && used <= left);
		at += used;
	}
	return at;
}

static void check_head(struct read *read, const uint8_t *data, size_t size)
{
	char *text = (char *)fuzz_copy(data, size);
	struct http_head head;
	const char *why = NULL;

	read->status = http_parse_head(text, size, &head, &why);
	if (read->status == 0) {
		HOLDS(*head.method && *head.path && head.query && head.field_count <= HTTP_FIELDS);
		HOLDS(*head.path == '/' || strcmp(head.path, "*") == 0);
		HOLDS(!head.is_chunked || !head.length);
		HOLDS(!memchr(data, '\0', size));
		for (size_t i = 0; i < head.field_count; i++)
			read->sum = read->sum * 31 + strlen(head.fields[i].name) +
				strlen(head.fields[i].value);
	} else {
		HOLDS(read->status >= 400 && read->status < 600 && why);
	}
	free(text);
}

static void take_chunks(struct read *read, const uint8_t *bytes, size_t size, size_t piece)
{
	struct http_chunks chunks = { .left = 0 };
	size_t at = 0;

	while (at < size && chunks.state != HTTP_CHUNK_END && chunks.state != HTTP_CHUNK_BAD) {
		size_t left = least(piece, size - at), data_size;
		uint8_t *part = fuzz_copy(bytes + at, left);
		const char *data = NULL;
		size_t used =
			http_chunks_take(&chunks, (const char *)part, left, &data, &data_size);

		HOLDS(used > 0 && used <= left && data_size <= used);
		for (size_t i = 0; i < data_size; i++)
			read->sum = read->sum * 31 + (unsigned char)data[i];
		read->body += data_size;
		at += used;
		free(part);
	}
	read->chunks = chunks.state;
	read->used = at;
}

static struct read read_all(const uint8_t *data, size_t size, size_t piece)
{
	struct read read = { .status = 0 };
	size_t head = take_head(&read, data, size, piece);

	if (read.scan != HTTP_SCAN_END)
		return read;
	check_head(&read, data, head);
	take_chunks(&read, data + head, size - head, piece);
	return read;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct read whole = read_all(data, size, size + 1);

	for (size_t piece = 1; piece < 8; piece += 3) {
		struct read cut = read_all(data, size, piece);

		HOLDS(whole.scan == cut.scan && whole.status == cut.status);
		HOLDS(whole.chunks == cut.chunks && whole.used == cut.used);
		HOLDS(whole.body == cut.body && whole.sum == cut.sum);
	}
	return 0;
}
