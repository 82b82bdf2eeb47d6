/* The port: what the transport tells us, on any thread, until the loop takes it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../event/id.h"
#include "inside.h"

enum {
	JSON_TIMES = 4,
	LOOKS_MOST = 4096 /* answers that wait for the loop */
};

void saga__inbox_free(struct saga__frame *frame)
{
	saga__blob_unref(frame->bytes);
	free(frame);
}

static struct saga__frame *copy_frames(
	const struct saga_participant *p, const saga_frame *frames, size_t count)
{
	struct saga__frame *first = NULL, **end = &first;

	for (size_t i = 0; i < count; i++) {
		struct saga__frame *frame = calloc(1, sizeof *frame);

		if (frame)
			frame->bytes = saga__blob_new(frames[i].bytes.at, frames[i].bytes.size);
		if (frame) {
			frame->durable = !saga__id_is_zero(frames[i].id);
			frame->concerns =
				frame->durable && saga__plan_concerns(p->plan, frames[i].topic, 0);
			frame->token = frames[i].token;
			frame->part = frames[i].part;
			frame->place = frames[i].place;
			frame->mark = saga__broker_mark(frames[i].id, frames[i].stored_at);
		}
		if (!frame || !frame->bytes) {
			free(frame);
			while ((frame = first)) {
				first = frame->next;
				saga__inbox_free(frame);
			}
			return NULL;
		}
		*end = frame;
		end = &frame->next;
	}
	return first;
}

static int port_receive(void *host, const saga_frame *frames, size_t count)
{
	struct saga_participant *p = host;
	struct saga__frame *copies;
	int code = SAGA_OK;

	if (!count)
		return SAGA_OK;
	copies = copy_frames(p, frames, count);
	uv_mutex_lock(&p->lock);
	if (!copies || p->inbox_count + count > p->limits.queue) {
		p->refused_frames = true;
		code = SAGA_BUSY;
	} else {
		*p->inbox_end = copies;
		while (*p->inbox_end)
			p->inbox_end = &(*p->inbox_end)->next;
		p->inbox_count += count;
	}
	uv_mutex_unlock(&p->lock);
	while (code != SAGA_OK && copies) {
		struct saga__frame *next = copies->next;

		saga__inbox_free(copies);
		copies = next;
	}
	saga__wake(p);
	return code;
}

struct saga__frame *saga__inbox_take(struct saga_participant *p, bool *ret_refused)
{
	struct saga__frame *all;

	uv_mutex_lock(&p->lock);
	all = p->inbox;
	p->inbox = NULL;
	p->inbox_end = &p->inbox;
	p->inbox_count = 0;
	*ret_refused = p->refused_frames;
	p->refused_frames = false;
	uv_mutex_unlock(&p->lock);
	return all;
}

static void port_writable(void *host)
{
	struct saga_participant *p = host;

	__atomic_store_n(&p->writable, true, __ATOMIC_RELEASE);
	saga__wake(p);
}

static void port_sent(void *host, const saga_receipt *receipts, size_t count)
{
	saga__kept_sent(host, receipts, count);
}

static void port_state(void *host, bool up, const char *text)
{
	struct saga_participant *p = host;

	__atomic_store_n(&p->transport_up, up, __ATOMIC_RELEASE);
	uv_mutex_lock(&p->lock);
	p->kept.came_up = p->kept.came_up || up;
	uv_mutex_unlock(&p->lock);
	saga__log(p, up ? SAGA_INFO : SAGA_WARNING, up ? "transport.up" : "transport.down", "%s",
		text);
	saga__wake(p);
}

/* ---- what a broker says: any thread ---- */

static void port_broker(void *host, const saga_broker *broker)
{
	struct saga_participant *p = host;
	bool doubt;

	uv_mutex_lock(&p->lock);
	doubt = p->broker.has_said && p->broker.said.doubt;

	p->broker.said = *broker;
	p->broker.said.doubt = broker->doubt || doubt;
	p->broker.has_said = true;
	uv_mutex_unlock(&p->lock);
	saga__wake(p);
}

static void answer_look(struct saga_participant *p, const struct saga__answer_of_look *answer)
{
	struct saga__broker_state *broker = &p->broker;

	uv_mutex_lock(&p->lock);
	if (broker->looked_count == broker->looked_room && broker->looked_room < LOOKS_MOST) {
		size_t room = broker->looked_room ? 2 * broker->looked_room : 16;
		struct saga__answer_of_look *more = realloc(broker->looked, room * sizeof *more);

		if (more) {
			broker->looked = more;
			broker->looked_room = room;
		}
	}
	/* Without room it is as if nothing had been answered: it is asked again. */
	if (broker->looked_count < broker->looked_room)
		broker->looked[broker->looked_count++] = *answer;
	uv_mutex_unlock(&p->lock);
	saga__wake(p);
}

static void port_looked(void *host, uint64_t place, saga_id id, int64_t stored_at)
{
	answer_look(host,
		&(struct saga__answer_of_look){
			.place = place, .id = id, .mark = saga__broker_mark(id, stored_at) });
}

static void port_looked_behind(void *host, unsigned shard, uint64_t place, uint64_t found)
{
	answer_look(host,
		&(struct saga__answer_of_look){
			.place = place, .is_behind = true, .shard = shard, .found = found });
}

static void port_refused(void *host, uint64_t token, const char *why)
{
	struct saga_participant *p = host;
	size_t size = strlen(why) + 1;
	struct saga__refusal *refusal = malloc(sizeof *refusal + size);

	if (!refusal)
		return; /* it goes again, and is refused again */
	refusal->token = token;
	memcpy(refusal->why, why, size);
	uv_mutex_lock(&p->lock);
	refusal->next = p->broker.refusals;
	p->broker.refusals = refusal;
	uv_mutex_unlock(&p->lock);
	saga__wake(p);
}

static void port_relents(void *host)
{
	struct saga_participant *p = host;

	uv_mutex_lock(&p->lock);
	p->broker.relents = true;
	uv_mutex_unlock(&p->lock);
	saga__wake(p);
}

static void port_closed(void *host)
{
	struct saga_participant *p = host;

	p->transport = NULL;
	p->driver->stop(p);
}

void saga__port_init(struct saga_participant *p)
{
	p->port = (struct saga_port){ .host = p,
		.loop = p->loop,
		.receive = port_receive,
		.writable = port_writable,
		.sent = port_sent,
		.state = port_state,
		.closed = port_closed,
		.refused = port_refused,
		.relents = port_relents,
		.broker = port_broker,
		.looked = port_looked,
		.looked_behind = port_looked_behind };
}

int saga__transport_open(struct saga_participant *p, saga_error *error)
{
	const saga_transport_options options = {
		.url = p->transport_url,
		.participant = p->plan->name,
		.topics = p->topics,
		/* As JSON it is longer. */
		.frame_bytes =
			p->limits.event_bytes * (p->keeps ? JSON_TIMES : 1) + SAGA__FRAME_HEAD,
		.context = p->options.transport_context,
		.store = p->uuid,
		.since = p->options.start == SAGA_FROM_NOW ? p->birth : 0,
	};
	int code;

	(void)snprintf(p->own_topic, sizeof p->own_topic, "to.%s", p->plan->name);
	p->topics[0] = SAGA__EVENTS_TOPIC;
	p->topics[1] = p->own_topic;
	p->writable = true;
	code = p->transport_ops->open(&p->port, &options, &p->transport, error);
	if (code == SAGA_OK && p->keeps) {
		saga__kept_settles(p);
		saga__kept_work(p, 0);
	}
	return code;
}
