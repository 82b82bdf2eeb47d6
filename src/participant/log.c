#include <saga/participant.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../event/show.h"

enum {
	LINE_BYTES = 4096,
	TEXT_BYTES = 1024, /* of the sentence as it is shown; a longer one is cut, and marked so */
	VALUE_BYTES = 256  /* of any other value: a long one must not cost those behind it */
};

struct line {
	char text[LINE_BYTES];
	size_t size;
};

static const char cut_mark[] = "...";

static void put(struct line *line, const char *text, size_t size)
{
	size_t room = sizeof line->text - 1 - line->size; /* the newline */

	if (size > room)
		size = room;
	memcpy(line->text + line->size, text, size);
	line->size += size;
}

/* One character of a value; answers the bytes read. */
static size_t put_character(struct line *line, const char *at, size_t left)
{
	char shown[SAGA__SHOWN_MOST];
	size_t step, size = saga__show(at, left, shown, &step);

	if (*at == '"' || *at == '\\')
		put(line, "\\", 1);
	put(line, shown, size);
	return step;
}

static bool is_plain(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 127 ||
			text[i] == '"' || text[i] == '=' || text[i] == '\\')
			return false;
	return size > 0;
}

/* logfmt: quoted where it is more than plain ASCII, has a blank, a quote, a `=`, or nothing. */
static void put_value(struct line *line, const char *text, size_t size, size_t most)
{
	bool plain = is_plain(text, size);
	size_t end = line->size + most;

	if (!plain)
		put(line, "\"", 1);
	while (size && line->size < end) {
		size_t step = put_character(line, text, size);

		text += step;
		size -= step;
	}
	if (size)
		put(line, cut_mark, sizeof cut_mark - 1);
	if (!plain)
		put(line, "\"", 1);
}

/* A pair for which the line has no room whole is left out. */
static void put_pair(
	struct line *line, const char *name, const char *text, size_t size, size_t most)
{
	size_t name_size = strnlen(name, VALUE_BYTES);

	if (sizeof line->text - line->size < name_size + most + 32)
		return;
	if (line->size)
		put(line, " ", 1);
	put(line, name, name_size);
	put(line, "=", 1);
	put_value(line, text, size, most);
}

static void put_word(struct line *line, const char *name, const char *text)
{
	put_pair(line, name, text, strlen(text), VALUE_BYTES);
}

static void put_field(struct line *line, const saga_log_field *field)
{
	const saga_value *value = &field->value;
	char text[SAGA_ID_TEXT];

	switch ((saga_value_kind)value->kind) {
	case SAGA_VALUE_INT64:
		(void)snprintf(text, sizeof text, "%" PRId64, value->as.int64);
		put_word(line, field->name, text);
		break;
	case SAGA_VALUE_BOOL:
		put_word(line, field->name, value->as.boolean ? "true" : "false");
		break;
	case SAGA_VALUE_ID:
		put_word(line, field->name, saga_id_text(value->as.id, text));
		break;
	case SAGA_VALUE_TEXT:
		put_pair(line, field->name, value->as.bytes.at, value->as.bytes.size, VALUE_BYTES);
		break;
	case SAGA_VALUE_END:
	case SAGA_VALUE_NULL:
	case SAGA_VALUE_BYTES:
	case SAGA_VALUE_SET:
		put_word(line, field->name, "");
		break;
	}
}

void saga_log_stderr(void *user, const saga_log *log)
{
	static const char *const levels[] = { "", "info", "warning", "alarm" };
	struct line line = { .size = 0 };
	time_t seconds = (time_t)(log->time / 1000);
	char text[64];
	struct tm when;

	(void)user;
	if (log->level < SAGA_INFO || log->level > SAGA_ALARM)
		return;
	(void)gmtime_r(&seconds, &when);
	(void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &when);
	(void)snprintf(
		text + strlen(text), sizeof text - strlen(text), ".%03dZ", (int)(log->time % 1000));
	put_word(&line, "time", text);
	put_word(&line, "level", levels[log->level]);
	put_word(&line, "participant", log->participant);
	put_word(&line, "what", log->what);
	put_pair(&line, "text", log->text, strlen(log->text), TEXT_BYTES);
	for (size_t i = 0; i < log->field_count; i++)
		put_field(&line, &log->fields[i]);
	line.text[line.size++] = '\n';
	(void)fwrite(line.text, 1, line.size, stderr);
}
