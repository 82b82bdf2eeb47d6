#include "plugins.h"

#include <saga/inproc.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
	NAME_BYTES = 64
};

static const char scheme[] = "inproc://";

/*
 * One participant at a hub. The hub's lock is held while frames are handed over: that never blocks
 * and calls no slot, and who has left is then out of every sender's reach.
 */
struct inproc {
	saga_hub *hub;
	saga_port *port;
	struct inproc *next;
	char name[NAME_BYTES];
	const char *const *topics;
	size_t frame_bytes;
};

struct saga_hub {
	uv_mutex_t lock;
	struct inproc *first;
};

int saga_hub_new(saga_hub **ret_hub)
{
	saga_hub *hub = malloc(sizeof *hub);

	if (!hub)
		return SAGA_NOMEM;
	hub->first = NULL;
	if (uv_mutex_init(&hub->lock) != 0) {
		free(hub);
		return SAGA_NOMEM;
	}
	*ret_hub = hub;
	return SAGA_OK;
}

void saga_hub_free(saga_hub *hub)
{
	if (!hub)
		return;
	assert(!hub->first);
	uv_mutex_destroy(&hub->lock);
	free(hub);
}

static int check(const saga_transport_options *options, saga_error *error)
{
	const char *url = options->url ? options->url : "";
	size_t cut = sizeof scheme - 1, length;

	if (strncmp(url, scheme, cut) != 0)
		return saga_error_set(
			error, SAGA_MALFORMED, "transport: inproc://NAME is wanted, not `%s`", url);
	length = strspn(url + cut,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789._-");
	if (length == 0 || length >= NAME_BYTES || url[cut + length] != '\0')
		return saga_error_set(error, SAGA_MALFORMED,
			"transport: the name in `%s` is 1 to %d of A-Z a-z 0-9 . _ -", url,
			NAME_BYTES - 1);
	if (!options->context)
		return saga_error_set(error, SAGA_MALFORMED,
			"transport: `%s` needs a hub, and transport_context is NULL", url);
	return SAGA_OK;
}

static int open_inproc(saga_port *port, const saga_transport_options *options, void **ret_transport,
	saga_error *error)
{
	int code = check(options, error);
	struct inproc *self;

	if (code != SAGA_OK)
		return code;
	self = malloc(sizeof *self);
	if (!self)
		return saga_error_set(error, SAGA_NOMEM, "transport: out of memory");
	*self = (struct inproc){ .hub = options->context,
		.port = port,
		.topics = options->topics,
		.frame_bytes = options->frame_bytes };
	(void)snprintf(self->name, sizeof self->name, "%s", options->url + sizeof scheme - 1);

	uv_mutex_lock(&self->hub->lock);
	self->next = self->hub->first;
	self->hub->first = self;
	uv_mutex_unlock(&self->hub->lock);
	saga_port_state(port, true, "joined the hub");
	*ret_transport = self;
	return SAGA_OK;
}

static bool wants(const struct inproc *self, const saga_frame *frame)
{
	if (frame->bytes.size > self->frame_bytes || !self->topics)
		return false;
	for (size_t i = 0; self->topics[i]; i++) {
		if (strcmp(self->topics[i], frame->topic) == 0)
			return true;
	}
	return false;
}

/* As many of them, from the first, as there is room for: a receiver takes all or none. */
static void hand_over(const struct inproc *to, const saga_frame *frames, size_t count)
{
	size_t portion = count;

	while (count > 0 && portion > 0) {
		if (portion > count)
			portion = count;
		if (saga_port_receive(to->port, frames, portion) == SAGA_OK) {
			frames += portion;
			count -= portion;
		} else {
			portion /= 2;
		}
	}
}

static void deliver(const struct inproc *to, const saga_frame *frames, size_t count)
{
	size_t i = 0;

	while (i < count) {
		size_t first = i;

		while (i < count && wants(to, &frames[i]))
			i++;
		hand_over(to, frames + first, i - first);
		while (i < count && !wants(to, &frames[i]))
			i++;
	}
}

static int send_frames(void *transport, const saga_frame *frames, size_t count, size_t *ret_sent)
{
	const struct inproc *self = transport;

	uv_mutex_lock(&self->hub->lock);
	for (const struct inproc *to = self->hub->first; to; to = to->next) {
		if (to != self && strcmp(to->name, self->name) == 0)
			deliver(to, frames, count);
	}
	uv_mutex_unlock(&self->hub->lock);
	*ret_sent = count;
	return SAGA_OK;
}

static void close_inproc(void *transport)
{
	struct inproc *self = transport;
	saga_port *port = self->port;
	struct inproc **link = &self->hub->first;

	uv_mutex_lock(&self->hub->lock);
	while (*link != self)
		link = &(*link)->next;
	*link = self->next;
	uv_mutex_unlock(&self->hub->lock);
	free(self);
	saga_port_closed(port);
}

const saga_transport_ops saga__inproc_transport = {
	.size = sizeof(saga_transport_ops),
	.schemes = "inproc",
	.traits = 0,
	.open = open_inproc,
	.send = send_frames,
	.close = close_inproc,
};
