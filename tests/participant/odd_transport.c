#include "odd_transport.h"

#include <stdlib.h>
#include <string.h>

struct odd_member {
	struct odd *odd;
	saga_port *port;
	const char *const *topics;
};

static bool fails(struct odd *odd, enum odd_slot slot)
{
	unsigned long call = ++odd->calls[slot];

	if (odd->slot != slot || call < odd->first || call > odd->last)
		return false;
	odd->fired++;
	return true;
}

static int odd_open(saga_port *port, const saga_transport_options *options, void **ret_transport,
	saga_error *error)
{
	struct odd *odd = options->context;
	struct odd_member *member;
	size_t at = 0;

	if (fails(odd, ODD_OPEN))
		return saga_error_set(error, SAGA_NOMEM, "odd: no memory");
	while (at < ODD_MEMBERS && odd->members[at])
		at++;
	if (at == ODD_MEMBERS || !(member = calloc(1, sizeof *member)))
		return saga_error_set(error, SAGA_NOMEM, "odd: no room");
	*member = (struct odd_member){ .odd = odd, .port = port, .topics = options->topics };
	odd->members[at] = member;
	*ret_transport = member;
	saga_port_state(port, true, "");
	return SAGA_OK;
}

static bool wants(const struct odd_member *member, const char *topic)
{
	for (const char *const *t = member->topics; t && *t; t++)
		if (!strcmp(*t, topic))
			return true;
	return false;
}

static int odd_send(void *transport, const saga_frame *frames, size_t count, size_t *ret_sent)
{
	struct odd_member *from = transport;
	struct odd *odd = from->odd;

	if (fails(odd, ODD_SEND))
		return SAGA_AWAY;
	if (fails(odd, ODD_FULL)) {
		*ret_sent = 0;
		saga_port_writable(from->port);
		return SAGA_OK;
	}
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < ODD_MEMBERS; k++) {
			struct odd_member *to = odd->members[k];

			if (to && to != from && wants(to, frames[i].topic))
				(void)saga_port_receive(to->port, &frames[i], 1);
		}
	*ret_sent = count;
	return SAGA_OK;
}

static void odd_close(void *transport)
{
	struct odd_member *member = transport;
	saga_port *port = member->port;

	for (size_t i = 0; i < ODD_MEMBERS; i++)
		if (member->odd->members[i] == member)
			member->odd->members[i] = NULL;
	free(member);
	saga_port_closed(port);
}

const saga_transport_ops odd_transport = {
	.size = sizeof(saga_transport_ops),
	.schemes = "odd",
	.open = odd_open,
	.send = odd_send,
	.close = odd_close,
};
