/* Clients that don't give up: with the same key again until there is a final answer. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../event/json.h"
#include "world.h"

enum {
	AGAIN_LEAST_US = 20000,
	AGAIN_MOST_US = 400000
};

struct attempt {
	struct attempt *next;
	struct saga__client *client;
	bool answered;
};

struct saga__client {
	struct saga__client *next;
	saga_sim *sim;
	struct saga__member *member; /* the first of the instances */
	struct saga__member *asked;  /* which of them it asked last */
	saga_submission submission;  /* its texts and its body are ours */
	struct saga__blob *wire;
	struct saga__arena arena;
	char *key, *traceparent;
	struct attempt *attempts; /* the last one first */
	bool waiting;             /* for the answer of its last attempt */
	int64_t asked_at;
	bool answered;
};

struct asking {
	struct saga__happening happening;
	struct saga__client *client;
};

static void ask(saga_sim *sim, struct saga__happening *happening);

static void ask_at(struct saga__client *client, int64_t at)
{
	struct asking *asking =
		saga__sim_new_happening(client->sim, sizeof *asking, client->member, ask);

	if (!asking)
		return;
	asking->client = client;
	saga__sim_push(client->sim, &asking->happening, at);
}

static void ask_again(struct saga__client *client)
{
	client->waiting = false;
	ask_at(client,
		client->sim->now +
			saga__random_between(&client->sim->clients, AGAIN_LEAST_US, AGAIN_MOST_US));
}

static bool is_final(int code)
{
	return code != SAGA_UNKNOWN && code != SAGA_STOPPED && code != SAGA_WAITING &&
		code != SAGA_BUSY;
}

static void finish(struct saga__client *client, const saga_answer *answer)
{
	client->answered = true;
	client->waiting = false;
	client->sim->open_clients--;
	saga__sim_trace(client->sim, client->member, "answers %s %s: %s",
		client->submission.type->name, client->key ? client->key : "",
		saga_code_name(answer->code));
	if (client->submission.answered)
		client->submission.answered(client->submission.user, answer);
}

static void on_answer(void *user, const saga_answer *answer)
{
	struct attempt *attempt = user;
	struct saga__client *client = attempt->client;

	if (attempt->answered)
		saga__sim_breach(client->sim, "%s answers one submission of %s twice",
			client->member->def.name, client->submission.type->name);
	attempt->answered = true;
	if (client->asked->dead || !client->waiting || attempt != client->attempts)
		return;
	if (is_final(answer->code))
		finish(client, answer);
	else
		ask_again(client);
}

/* Any of the instances; with one, no dice are thrown. */
static struct saga__member *choose(const struct saga__client *client)
{
	unsigned instances = client->sim->options.instances;

	if (instances == 1)
		return client->member;
	return saga__sim_instance(
		client->member, saga__random_below(&client->sim->clients, instances));
}

static void ask(saga_sim *sim, struct saga__happening *happening)
{
	struct saga__client *client = ((struct asking *)happening)->client;
	struct saga__member *member = client->asked = choose(client);
	saga_submission submission = client->submission;
	struct attempt *attempt;
	saga_error error;
	int code;

	if (!member->p || member->dead || member->paused > sim->now) {
		ask_again(client);
		return;
	}
	if (!(attempt = malloc(sizeof *attempt))) {
		saga__sim_no_memory(sim);
		return;
	}
	*attempt = (struct attempt){ client->attempts, client, false };
	client->attempts = attempt;
	client->waiting = true;
	client->asked_at = sim->now;
	submission.answered = on_answer;
	submission.user = attempt;
	code = saga_submit(member->p, &submission, &error);
	if (code == SAGA_OK)
		return;
	attempt->answered = true;
	if (is_final(code))
		saga__sim_breach(sim, "%s does not take %s: %s", member->def.name,
			submission.type->name, error.text);
	else
		ask_again(client);
}

/* Its process is gone, and has answered all that it was asked, if so that nobody heard it. */
void saga__clients_lost(struct saga__member *member)
{
	for (struct saga__client *client = member->sim->clients_first; client;
		client = client->next)
		if (client->asked == member && client->waiting) {
			if (!client->attempts->answered)
				saga__sim_breach(client->sim,
					"%s has ended and never answered a submission of %s",
					member->def.name, client->submission.type->name);
			ask_again(client);
		}
}

const char *saga__clients_waiting(const saga_sim *sim, char *text, size_t size)
{
	for (const struct saga__client *client = sim->clients_first; client; client = client->next)
		if (!client->answered) {
			(void)snprintf(text, size, "%s has not answered %s %s",
				client->member->def.name, client->submission.type->name,
				client->key ? client->key : "");
			break;
		}
	return text;
}

void saga__clients_check_late(saga_sim *sim, int64_t before, int ms)
{
	for (const struct saga__client *client = sim->clients_first; client; client = client->next)
		if (!client->answered && client->waiting && client->asked_at < before)
			saga__sim_breach(sim, "late: %s does not answer %s within %d ms",
				client->asked->label, client->submission.type->name, ms);
}

/* ---- submitting ---- */

static void free_client(struct saga__client *client)
{
	struct attempt *attempt;

	while ((attempt = client->attempts)) {
		client->attempts = attempt->next;
		free(attempt);
	}
	saga__blob_unref(client->wire);
	saga__arena_free(&client->arena);
	free(client->traceparent);
	free(client->key);
	free(client);
}

void saga__clients_free(saga_sim *sim)
{
	struct saga__client *client;

	while ((client = sim->clients_first)) {
		sim->clients_first = client->next;
		free_client(client);
	}
}

/* The body lives as long as the client: encoded, and decoded again into memory of its own. */
static int copy_body(struct saga__client *client, const saga_submission *s, saga_error *error)
{
	struct saga__member *member = client->member;
	saga_sim *sim = client->sim;
	struct saga_event event = { .id = { { 1 } },
		.time = 1,
		.source = member->def.name,
		.subject = "",
		.traceparent = "" };
	size_t most = member->limits.event_bytes ? member->limits.event_bytes : 64 * 1024;
	const void *body = s->body;
	struct saga__buffer buffer;
	int code = SAGA_OK;

	event.saga = event.id;
	saga__buffer_init(&buffer, most);
	saga__arena_init(&client->arena, 8 * most);
	if (s->json.at)
		code = saga__json_read(&client->arena, s->json, &s->type->body, &body, error);
	if (code == SAGA_OK && !body)
		code = saga_error_set(error, SAGA_MALFORMED, "request %s: no body", s->type->name);
	if (code == SAGA_OK)
		code = saga__event_encode(&buffer, &event, s->type, body, "", error);
	if (code == SAGA_OK && !(client->wire = saga__blob_new(buffer.at, buffer.size)))
		code = saga_error_set(error, SAGA_NOMEM, "out of memory");
	if (code == SAGA_OK)
		code = saga__event_decode(sim->decoder, &client->arena,
			saga__blob_bytes(client->wire), &event, error);
	if (code == SAGA_OK)
		code = saga__event_decode_body(
			sim->decoder, &client->arena, &event, s->type, error);
	saga__buffer_free(&buffer);
	client->submission.body = event.body;
	return code;
}

static int copy_texts(struct saga__client *client, const saga_submission *s, saga_error *error)
{
	if (s->key && !(client->key = strdup(s->key)))
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	if (s->traceparent && !(client->traceparent = strdup(s->traceparent)))
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	client->submission.key = client->key;
	client->submission.traceparent = client->traceparent;
	return SAGA_OK;
}

int saga_sim_submit(saga_sim *sim, const char *participant, int64_t at_ms,
	const saga_submission *submission, saga_error *error)
{
	struct saga__member *member = saga__sim_member(sim, participant);
	const struct saga__known *known;
	struct saga__client *client;
	int code;

	if (!member)
		return saga_error_set(
			error, SAGA_MISUSE, "no participant %s in this world", participant);
	if ((code = saga__submission_check(member->plan, submission, &known, error)) != SAGA_OK)
		return code;
	if (!(client = calloc(1, sizeof *client)))
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	client->sim = sim;
	client->member = client->asked = member;
	memcpy(&client->submission, submission,
		submission->size < sizeof *submission ? submission->size : sizeof *submission);
	client->submission.size = sizeof client->submission;
	client->submission.json = (saga_bytes){ NULL, 0 };
	client->submission.wait_ms = 0;
	client->submission.type = known->type;
	if ((code = copy_body(client, submission, error)) != SAGA_OK ||
		(code = copy_texts(client, submission, error)) != SAGA_OK) {
		free_client(client);
		return code;
	}
	*sim->clients_end = client;
	sim->clients_end = &client->next;
	sim->open_clients++;
	ask_at(client, at_ms * SAGA__SIM_MS);
	return SAGA_OK;
}
