#include "inside.h"

#include <stdarg.h>
#include <string.h>

#include "../event/utf8.h"

enum {
	WINDOW_MS = 10000,
	AT_ONCE = 20 /* warnings of one kind within a window; the others are counted */
};

/*
 * The entry of this kind of warning, or a free one, or the one whose window began first: a kind
 * that is forgotten so is said once too often, and no count is lost but that one's.
 */
static struct saga__said *find(struct saga__saying *saying, const char *what)
{
	struct saga__said *oldest = &saying->said[0];

	for (size_t i = 0; i < SAGA__SAID; i++) {
		struct saga__said *said = &saying->said[i];

		if (said->what && strcmp(said->what, what) == 0)
			return said;
		if (!said->what || (oldest->what && said->since < oldest->since))
			oldest = said;
	}
	*oldest = (struct saga__said){ .what = what, .since = INT64_MIN / 2 };
	return oldest;
}

/*
 * Whether a warning is to be said now, and in *ret_unsaid how many like it were not since the last
 * one that was. What names its saga or its step is about that one alone, and always said.
 */
static bool may_say(struct saga_participant *p, const saga_log *log, uint64_t *ret_unsaid)
{
	struct saga__saying *saying = &p->saying;
	int64_t now = saga__monotonic(&p->env);
	struct saga__said *said;
	bool may;

	*ret_unsaid = 0;
	if (log->level != SAGA_WARNING || log->field_count)
		return true;
	uv_mutex_lock(&saying->lock);
	said = find(saying, log->what);
	if (now - said->since >= WINDOW_MS) {
		said->since = now;
		said->count = 0;
		*ret_unsaid = said->unsaid;
		said->unsaid = 0;
	}
	may = said->count < AT_ONCE;
	said->count += may;
	said->unsaid += !may;
	uv_mutex_unlock(&saying->lock);
	return may;
}

void saga__say_log(void *participant, const saga_log *log)
{
	struct saga_participant *p = participant;
	saga_log_field fields[1];
	char text[SAGA__SAY_TEXT];
	saga_log shown = *log;
	uint64_t unsaid;

	if (!p->log || !may_say(p, log, &unsaid))
		return;
	saga__say(text, sizeof text, "%s", log->text);
	saga_redact(p->store_url, text, sizeof text);
	saga_redact(p->transport_url, text, sizeof text);
	shown.text = text;
	if (unsaid) { /* a warning that has no fields */
		fields[0] = (saga_log_field){ "unsaid", saga_int64((int64_t)unsaid) };
		shown.fields = fields;
		shown.field_count = 1;
	}
	p->log(p->log_user, &shown);
}

void saga__log(struct saga_participant *p, int level, const char *what, const char *format, ...)
{
	char text[SAGA__SAY_TEXT];
	saga_log log = { .level = level,
		.participant = p->plan->name,
		.what = what,
		.text = text,
		.time = saga__wall(&p->env) };
	va_list list;

	va_start(list, format);
	saga__vsay(text, sizeof text, format, list);
	va_end(list);
	saga__say_log(p, &log);
}

int saga__without_secrets(const struct saga_participant *p, int code, saga_error *error)
{
	if (code != SAGA_OK && error) {
		saga_redact(p->store_url ? p->store_url : p->options.store, error->text,
			sizeof error->text);
		saga_redact(p->transport_url ? p->transport_url : p->options.transport, error->text,
			sizeof error->text);
	}
	return code;
}
