/* Requests: in by saga_submit, out by an answer. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../event/json.h"
#include "../event/schema.h"
#include "../event/sha256.h"
#include "../event/utf8.h"
#include "inside.h"

/* ---- in ---- */

int saga__submission_check(const struct saga__plan *plan, const saga_submission *s,
	const struct saga__known **ret_known, saga_error *error)
{
	const struct saga__known *known;
	const saga_step_def *step;
	size_t length;

	if (!s || s->size < offsetof(saga_submission, user) || !s->type)
		return saga_error_set(error, SAGA_MISUSE, "fill the submission by SAGA_SUBMISSION");
	known = saga__plan_type(plan, s->type->name, s->type->version);
	if (!known || !known->type->request || !known->route_count)
		return saga_error_set(error, SAGA_MISUSE, "no step of %s is `on` the request %s",
			plan->name, s->type->name);
	if (!saga__shape_same(&known->type->body, &s->type->body))
		return saga_error_set(error, SAGA_MISUSE,
			"request %s is declared in another way here", s->type->name);
	step = &plan->steps[known->routes[0].step];
	length = s->key ? strlen(s->key) : 0;
	if (!length && !step->reads_only)
		return saga_error_set(error, SAGA_MALFORMED, "request %s: no key", s->type->name);
	if (length > SAGA__SUBJECT_MOST)
		return saga_error_set(error, SAGA_MALFORMED,
			"request %s: its key is longer than %d bytes", s->type->name,
			SAGA__SUBJECT_MOST);
	if (step->per_subject && saga__id_is_zero(s->saga))
		return saga_error_set(error, SAGA_MISUSE,
			"request %s: step %s runs once a subject, so it needs the saga that it is "
			"about",
			s->type->name, step->name);
	*ret_known = known;
	return SAGA_OK;
}

static saga_id saga_of(
	const struct saga_participant *p, const saga_submission *s, const saga_step_def *step)
{
	const char *name = step->was ? step->was : step->name;
	const char *key = s->key ? s->key : "";
	const saga_bytes parts[] = {
		{ p->plan->name, strlen(p->plan->name) },
		{ name, strlen(name) },
		{ key, strlen(key) },
	};

	if (!saga__id_is_zero(s->saga) || step->reads_only)
		return s->saga;
	return saga__id_derive(parts, sizeof parts / sizeof parts[0]);
}

/* Digests type, key and body; a repeat with another digest is a conflict. */
static void digest(
	const saga_type *type, const char *key, saga_bytes body, unsigned char ret_digest[16])
{
	struct saga__sha256 hash;
	unsigned char all[32];

	saga__sha256_init(&hash);
	saga__sha256_add(&hash, type->name, strlen(type->name) + 1);
	saga__sha256_add(&hash, &type->version, sizeof type->version);
	saga__sha256_add(&hash, key, strlen(key) + 1);
	saga__sha256_add(&hash, body.at, body.size);
	saga__sha256_end(&hash, all);
	memcpy(ret_digest, all, 16);
}

/* It only serves who looks for faults: one that no event can hold costs nobody the request. */
static const char *trace_of(const saga_submission *s)
{
	const char *trace = s->traceparent ? s->traceparent : "";
	size_t size = strlen(trace);

	return size <= SAGA__SUBJECT_MOST && saga__utf8_text(trace, size) ? trace : "";
}

/* The item's event and digest. */
static int encode(struct saga_participant *p, const saga_submission *s, const saga_type *type,
	struct saga__item *item, saga_error *error)
{
	struct saga__id_maker maker = { 0 };
	struct saga_event event = {
		.id = saga__id_new(&maker, &p->env),
		.saga = item->reply->saga,
		.time = saga__wall(&p->env),
		.source = p->plan->name,
		.subject = s->key ? s->key : "",
		.traceparent = trace_of(s),
	};
	const void *body = s->body;
	struct saga__buffer buffer;
	struct saga__arena arena;
	int code = SAGA_OK;

	saga__buffer_init(&buffer, p->limits.event_bytes);
	saga__arena_init(&arena, 4 * p->limits.event_bytes);
	if (s->json.at)
		code = saga__json_read(&arena, s->json, &type->body, &body, error);
	if (code == SAGA_OK && !body)
		code = saga_error_set(error, SAGA_MALFORMED, "request %s: no body", type->name);
	if (code == SAGA_OK)
		code = saga__event_encode(&buffer, &event, type, body, "", error);
	if (code == SAGA_OK && !(item->event = saga__blob_new(buffer.at, buffer.size)))
		code = saga_error_set(error, SAGA_NOMEM, "out of memory");
	if (code == SAGA_OK)
		digest(type, event.subject,
			(saga_bytes){ buffer.at + buffer.body, buffer.size - buffer.body },
			item->digest);
	saga__arena_free(&arena);
	saga__buffer_free(&buffer);
	return code;
}

int saga_submit(saga_participant *p, const saga_submission *s, saga_error *error)
{
	const struct saga__known *known = NULL;
	const saga_step_def *step;
	struct saga__item *item;
	struct saga__lane *lane;
	int code;

	if ((code = saga__submission_check(p->plan, s, &known, error)) != SAGA_OK)
		return code;
	step = &p->plan->steps[known->routes[0].step];
	if (!(item = calloc(1, sizeof *item)) || !(item->reply = calloc(1, sizeof *item->reply))) {
		free(item);
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	}
	item->kind = SAGA__ITEM_REQUEST;
	item->answered = s->answered;
	item->user = s->user;
	item->reply->saga = saga_of(p, s, step);
	code = encode(p, s, known->type, item, error);
	if (code == SAGA_OK && __atomic_load_n(&p->stop_asked, __ATOMIC_ACQUIRE))
		code = saga_error_set(error, SAGA_STOPPED, "%s", saga_code_text(SAGA_STOPPED));
	if (code != SAGA_OK) {
		saga__item_free(item);
		return code;
	}
	lane = saga__lane_of(p, saga__id_shard(item->reply->saga, SAGA__STORE_SHARDS));
	code = saga__lane_push(lane, item, false, s->wait_ms > 0 ? s->wait_ms : 0);
	if (code != SAGA_OK) {
		saga__item_free(item);
		return saga_error_set(error, code, "%s", saga_code_text(code));
	}
	saga__wake(p);
	return SAGA_OK;
}

/* ---- out ---- */

/* An answer kept by an older program may be of a type that this one has not: then without body. */
static int decode_outcome(
	struct saga_participant *p, const struct saga__blob *blob, struct saga_event *ret_event)
{
	const struct saga__known *known;
	int code;

	saga__arena_reset(&p->arena);
	code = saga__event_decode(p->decoder, &p->arena, saga__blob_bytes(blob), ret_event, NULL);
	if (code != SAGA_OK)
		return code;
	known = saga__plan_type(p->plan, ret_event->type, ret_event->version);
	if (known)
		code = saga__event_decode_body(p->decoder, &p->arena, ret_event, known->type, NULL);
	return code == SAGA_MALFORMED ? SAGA_OK : code;
}

void saga__answer(struct saga_participant *p, struct saga__item *item)
{
	const struct saga__reply *reply = item->reply;
	struct saga_event event;
	saga_answer answer = {
		.code = reply->code,
		.text = reply->text,
		.saga = reply->saga,
		.repeated = reply->repeated,
	};
	int code = reply->outcome ? decode_outcome(p, reply->outcome, &event) : SAGA_MALFORMED;

	if (code == SAGA_OK) {
		answer.outcome = &event;
	} else if (code == SAGA_NOMEM) {
		/* It is kept in the store: whoever asks again gets it. */
		answer.code = SAGA_UNKNOWN;
		answer.text = "it ended, but there is no memory for its event: ask again with the "
			      "same key";
	}
	item->answered(item->user, &answer);
	saga__item_free(item);
}

void saga__answer_stopped(struct saga_participant *p, struct saga__item *item)
{
	/* A lost batch may have left an outcome here; its rollback took the outcome back. */
	saga__blob_unref(item->reply->outcome);
	item->reply->outcome = NULL;
	item->reply->repeated = false;
	item->reply->code = item->unsure ? SAGA_UNKNOWN : SAGA_STOPPED;
	(void)snprintf(item->reply->text, sizeof item->reply->text, "%s",
		saga_code_text(item->reply->code));
	saga__answer(p, item);
}

size_t saga_answer_json(const saga_answer *answer, char *buffer, size_t size)
{
	struct saga__json_buffer into = { buffer, size, 0 };
	struct saga__json json = saga__json_into(&into);

	saga__json_open(&json, '{');
	saga__json_name(&json, "code");
	saga__json_put_text(&json, saga_code_name(answer->code));
	saga__json_name(&json, "text");
	saga__json_put_text(&json, answer->text);
	saga__json_name(&json, "saga");
	saga__json_put_id(&json, answer->saga);
	saga__json_name(&json, "repeated");
	saga__json_put_bool(&json, answer->repeated);
	if (answer->outcome) {
		saga__json_name(&json, "event");
		saga__json_put_event(&json, answer->outcome);
	}
	saga__json_close(&json, '}');
	return saga__json_end(&into);
}
