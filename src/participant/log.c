#include <saga/participant.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../event/utf8.h"

struct line {
	char text[1024];
	size_t size;
};

static void put(struct line *line, const char *text, size_t size)
{
	size_t room = sizeof line->text - 2 - line->size;

	if (size > room)
		size = room;
	memcpy(line->text + line->size, text, size);
	line->size += size;
}

/* logfmt: quoted where it has a blank, a quote, an equals sign, or nothing. */
static void put_value(struct line *line, const char *text, size_t size)
{
	bool plain = size > 0;

	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] <= ' ' || text[i] == '"' || text[i] == '=' ||
			text[i] == 127)
			plain = false;
	if (plain) {
		put(line, text, size);
		return;
	}
	put(line, "\"", 1);
	for (size_t i = 0; i < size; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 127)
			put(line, " ", 1);
		else if (text[i] == '"' || text[i] == '\\')
			put(line, "\\", 1), put(line, &text[i], 1);
		else
			put(line, &text[i], 1);
	}
	put(line, "\"", 1);
}

static void put_pair(struct line *line, const char *name, const char *text, size_t size)
{
	if (line->size)
		put(line, " ", 1);
	put(line, name, strlen(name));
	put(line, "=", 1);
	put_value(line, text, size);
}

static void put_field(struct line *line, const saga_log_field *field)
{
	const saga_value *value = &field->value;
	char text[SAGA_ID_TEXT];

	switch (value->kind) {
	case SAGA_VALUE_INT64:
		(void)snprintf(text, sizeof text, "%" PRId64, value->as.int64);
		put_pair(line, field->name, text, strlen(text));
		break;
	case SAGA_VALUE_BOOL:
		put_pair(line, field->name, value->as.boolean ? "true" : "false",
			value->as.boolean ? 4 : 5);
		break;
	case SAGA_VALUE_ID:
		put_pair(line, field->name, saga_id_text(value->as.id, text), SAGA_ID_TEXT - 1);
		break;
	case SAGA_VALUE_TEXT:
		put_pair(line, field->name, value->as.bytes.at, value->as.bytes.size);
		break;
	default:
		put_pair(line, field->name, "", 0);
		break;
	}
}

void saga_log_stderr(void *user, const saga_log *log)
{
	static const char *const levels[] = { "debug", "info", "warning", "alarm" };
	struct line line = { .size = 0 };
	time_t seconds = (time_t)(log->time / 1000);
	char text[64];
	struct tm when;

	(void)user;
	if (log->level <= SAGA_DEBUG || log->level > SAGA_ALARM)
		return;
	(void)gmtime_r(&seconds, &when);
	(void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &when);
	(void)snprintf(
		text + strlen(text), sizeof text - strlen(text), ".%03dZ", (int)(log->time % 1000));
	put_pair(&line, "time", text, strlen(text));
	put_pair(&line, "level", levels[log->level], strlen(levels[log->level]));
	put_pair(&line, "participant", log->participant, strlen(log->participant));
	put_pair(&line, "what", log->what, strlen(log->what));
	put_pair(&line, "text", log->text, strlen(log->text));
	for (size_t i = 0; i < log->field_count; i++)
		put_field(&line, &log->fields[i]);
	line.text[line.size] = '\0';
	saga__utf8_mend(line.text);
	line.size = strlen(line.text);
	line.text[line.size++] = '\n';
	(void)fwrite(line.text, 1, line.size, stderr);
}
