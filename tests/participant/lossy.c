#include "lossy.h"

#include <stdlib.h>
#include <string.h>

struct lossy_member {
	struct lossy *lossy;
	saga_port *port;
	const char *name;
	const char *const *topics;
};

static int lossy_open(saga_port *port, const saga_transport_options *options, void **ret_transport,
	saga_error *error)
{
	struct lossy *lossy = options->context;
	struct lossy_member *member;
	size_t at = 0;

	while (at < LOSSY_MEMBERS && lossy->members[at])
		at++;
	if (at == LOSSY_MEMBERS || !(member = calloc(1, sizeof *member)))
		return saga_error_set(error, SAGA_NOMEM, "lossy: no room");
	*member = (struct lossy_member){ .lossy = lossy,
		.port = port,
		.name = options->participant,
		.topics = options->topics };
	lossy->members[at] = member;
	*ret_transport = member;
	saga_port_state(port, true, "");
	return SAGA_OK;
}

static bool wants(const struct lossy_member *member, const char *topic)
{
	for (const char *const *t = member->topics; t && *t; t++)
		if (!strcmp(*t, topic))
			return true;
	return false;
}

/* Each so-and-so-many on average, without a beat: a regular loss may hit every answer there is. */
static bool strikes(uint64_t nth, unsigned every, uint64_t salt)
{
	uint64_t x = (nth + salt) * 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
	return every && (x >> 32) % every == 0;
}

static void carry(struct lossy *lossy, const struct lossy_member *from, const saga_frame *frame)
{
	uint64_t nth = ++lossy->frames;
	bool doubled = strikes(nth, lossy->double_every, 1);

	if (lossy->cut || strikes(nth, lossy->drop_every, 1000)) {
		lossy->dropped++;
		return;
	}
	lossy->doubled += doubled;
	for (size_t i = 0; i < LOSSY_MEMBERS; i++) {
		struct lossy_member *to = lossy->members[i];

		if (!to || to == from || !wants(to, frame->topic))
			continue;
		for (int copy = 0; copy <= doubled; copy++)
			if (saga_port_receive(to->port, frame, 1) != SAGA_OK)
				lossy->dropped++;
	}
}

static int lossy_send(void *transport, const saga_frame *frames, size_t count, size_t *ret_sent)
{
	struct lossy_member *member = transport;
	struct lossy *lossy = member->lossy;

	if (lossy->deaf_to && strcmp(lossy->deaf_to, member->name) == 0) {
		lossy->has_refused = true;
		*ret_sent = 0;
		return SAGA_OK;
	}
	for (size_t i = 0; i < count; i++)
		carry(lossy, member, &frames[i]);
	*ret_sent = count;
	return SAGA_OK;
}

void lossy_hear(struct lossy *lossy)
{
	lossy->deaf_to = NULL;
	for (size_t i = 0; i < LOSSY_MEMBERS; i++)
		if (lossy->members[i])
			saga_port_writable(lossy->members[i]->port);
}

void lossy_bring(struct lossy *lossy, const saga_frame *frame)
{
	for (size_t i = 0; i < LOSSY_MEMBERS; i++)
		if (lossy->members[i] && wants(lossy->members[i], frame->topic) &&
			saga_port_receive(lossy->members[i]->port, frame, 1) != SAGA_OK)
			lossy->dropped++;
}

static void lossy_close(void *transport)
{
	struct lossy_member *member = transport;
	saga_port *port = member->port;

	for (size_t i = 0; i < LOSSY_MEMBERS; i++)
		if (member->lossy->members[i] == member)
			member->lossy->members[i] = NULL;
	free(member);
	saga_port_closed(port);
}

const saga_transport_ops lossy_transport = {
	.size = sizeof(saga_transport_ops),
	.schemes = "lossy",
	.open = lossy_open,
	.send = lossy_send,
	.close = lossy_close,
};
