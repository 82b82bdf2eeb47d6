/* The world's own transport: frames between members, and what becomes of them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

enum {
	LEAST_US = 100,
	USUAL_US = 2000,
	HELD_MOST = 1024 /* for one who stands still; what is more is lost */
};

struct line {
	struct saga__member *member;
	saga_port *port;
	size_t frame_bytes;
};

struct arriving {
	struct saga__happening happening;
	bool held;
	size_t size;
	unsigned char bytes[];
};

/* ---- coming in ---- */

static void arrive(saga_sim *sim, struct saga__happening *happening);

static void hold(struct saga__member *to, struct arriving *frame)
{
	struct arriving *again;

	if (to->held_frames >= HELD_MOST)
		return;
	again = saga__sim_new_happening(to->sim, sizeof *again + frame->size, to, arrive);
	if (!again)
		return;
	memcpy(again->bytes, frame->bytes, frame->size);
	again->size = frame->size;
	again->held = true;
	again->happening.life = to->life;
	to->held_frames++;
	saga__sim_push(to->sim, &again->happening, to->paused);
}

static void arrive(saga_sim *sim, struct saga__happening *happening)
{
	struct arriving *frame = (struct arriving *)happening;
	struct saga__member *to = happening->member;
	saga_frame given = { .topic = to->topics ? to->topics[0] : "",
		.bytes = { frame->bytes, frame->size } };

	if (frame->held)
		to->held_frames--;
	if (!to->port)
		return;
	if (to->paused > sim->now) {
		hold(to, frame);
		return;
	}
	if (saga_port_receive(to->port, &given, 1) != SAGA_OK)
		saga__sim_trace(sim, to, "has no room for a frame");
}

/* ---- going out ---- */

static void corrupt(saga_sim *sim, struct arriving *frame)
{
	uint64_t changes = 1 + saga__sim_of_fault(sim, SAGA_SIM_CORRUPT, 4);

	for (; changes && frame->size; changes--) {
		size_t at = saga__sim_of_fault(sim, SAGA_SIM_CORRUPT, frame->size);

		frame->bytes[at] ^=
			(unsigned char)(1 + saga__sim_of_fault(sim, SAGA_SIM_CORRUPT, 255));
	}
	if (saga__sim_of_fault(sim, SAGA_SIM_CORRUPT, 4) == 0)
		frame->size = saga__sim_of_fault(sim, SAGA_SIM_CORRUPT, frame->size);
}

static void carry(struct saga__member *from, struct saga__member *to, const saga_frame *sent)
{
	saga_sim *sim = from->sim;
	int64_t at =
		saga__member_now(from) + saga__random_between(&sim->network, LEAST_US, USUAL_US);
	struct arriving *frame =
		saga__sim_new_happening(sim, sizeof *frame + sent->bytes.size, to, arrive);

	if (!frame)
		return;
	frame->happening.life = to->life;
	frame->size = sent->bytes.size;
	memcpy(frame->bytes, sent->bytes.at, frame->size);
	if (saga__sim_strikes(sim, SAGA_SIM_CORRUPT)) {
		saga__sim_trace(sim, from, "FAULT: a frame to %s is corrupted", to->def.name);
		corrupt(sim, frame);
	}
	if (saga__sim_strikes(sim, SAGA_SIM_DELAY)) {
		at += saga__sim_length(sim, SAGA_SIM_DELAY);
		saga__sim_trace(sim, from, "FAULT: a frame to %s is late", to->def.name);
	} else {
		if (at <= from->last_arrival[to->number])
			at = from->last_arrival[to->number] + 1;
		from->last_arrival[to->number] = at;
	}
	saga__sim_push(sim, &frame->happening, at);
}

static void send_to(struct saga__member *from, struct saga__member *to, const saga_frame *frame)
{
	saga_sim *sim = from->sim;

	if (to->deaf_to >> from->number & 1)
		return;
	if (saga__sim_strikes(sim, SAGA_SIM_LOSE)) {
		saga__sim_trace(sim, from, "FAULT: a frame to %s is lost", to->def.name);
		return;
	}
	carry(from, to, frame);
	if (saga__sim_strikes(sim, SAGA_SIM_DOUBLE)) {
		saga__sim_trace(sim, from, "FAULT: a frame to %s is doubled", to->def.name);
		carry(from, to, frame);
	}
}

static bool wants(const struct saga__member *to, const char *topic)
{
	for (size_t i = 0; to->port && to->topics && to->topics[i]; i++)
		if (strcmp(to->topics[i], topic) == 0)
			return true;
	return false;
}

void saga__network_send(struct saga__member *from, const saga_frame *frame)
{
	saga_sim *sim = from->sim;
	uint64_t place[2] = { (uint64_t)saga__member_now(from), from->number };

	sim->report.frames++;
	saga__sim_hash(sim, place, sizeof place);
	saga__sim_hash(sim, frame->bytes.at, frame->bytes.size);
	saga__check_frame(from, frame->bytes);
	for (size_t i = 0; i < sim->member_count; i++)
		if (sim->members[i] != from && wants(sim->members[i], frame->topic))
			send_to(from, sim->members[i], frame);
}

static void have_room(saga_sim *sim, struct saga__happening *happening)
{
	(void)sim;
	if (happening->member->port)
		saga_port_writable(happening->member->port);
}

void saga__network_has_room_later(struct saga__member *member)
{
	struct saga__happening *later =
		saga__sim_new_happening(member->sim, sizeof *later, member, have_room);

	if (!later)
		return;
	later->life = member->life;
	saga__sim_push(member->sim, later,
		saga__member_now(member) + saga__sim_length(member->sim, SAGA_SIM_UNSENT));
}

/* It takes some or none, and says that it failed; or that there is no room. */
static int fail(struct line *line, const saga_frame *frames, size_t count, size_t *ret_sent)
{
	struct saga__member *member = line->member;
	saga_sim *sim = member->sim;
	uint64_t how = saga__sim_of_fault(sim, SAGA_SIM_UNSENT, 3);

	if (how == 0) {
		saga__sim_trace(sim, member, "FAULT: no room to send");
		saga__network_has_room_later(member);
		*ret_sent = 0;
		return SAGA_OK;
	}
	saga__sim_trace(
		sim, member, "FAULT: sending fails, and %s", how == 1 ? "did not" : "did send");
	for (size_t i = 0; how == 2 && i < count; i++)
		saga__network_send(member, &frames[i]);
	return SAGA_AWAY;
}

static int send_frames(void *transport, const saga_frame *frames, size_t count, size_t *ret_sent)
{
	struct line *line = transport;
	struct saga__member *member = line->member;

	if (saga__sim_crashes(member, "before it sends"))
		return SAGA_AWAY;
	if (saga__sim_strikes(member->sim, SAGA_SIM_UNSENT))
		return fail(line, frames, count, ret_sent);
	for (size_t i = 0; i < count; i++)
		saga__network_send(member, &frames[i]);
	*ret_sent = count;
	(void)saga__sim_crashes(member, "when it has sent");
	return SAGA_OK;
}

/* ---- its life ---- */

static int open_line(saga_port *port, const saga_transport_options *options, void **ret_transport,
	saga_error *error)
{
	struct saga__member *member = options->context;
	struct line *line = calloc(1, sizeof *line);

	if (!line)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	*line = (struct line){ member, port, options->frame_bytes };
	if (!member->dead) {
		member->port = port;
		member->topics = options->topics;
	}
	member->sim->open_handles++;
	saga_port_state(port, true, "joined the world");
	*ret_transport = line;
	return SAGA_OK;
}

static void close_line(void *transport)
{
	struct line *line = transport;
	saga_port *port = line->port;

	line->member->port = NULL;
	line->member->sim->open_handles--;
	free(line);
	saga_port_closed(port);
}

const saga_transport_ops saga__sim_transport = {
	.size = sizeof(saga_transport_ops),
	.schemes = "sim",
	.open = open_line,
	.send = send_frames,
	.close = close_line,
};
