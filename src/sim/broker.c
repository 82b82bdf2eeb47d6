/*
 * A durable transport: one broker for the world, which keeps each event that is published and
 * brings it to each participant until that acks it. As JetStream does, it confirms what it has
 * only in memory: when its power is lost, the newest of it may be gone, though it was confirmed,
 * and its consumers may stand ahead of it, or behind.
 */

#include <stdlib.h>
#include <string.h>

#include "broker.h"

enum {
	ACK_WAIT_US = 5000000,  /* then it is delivered again */
	LOOK_US = 500000,       /* between two looks for what is to be delivered again */
	DOUBLES_US = 500000000, /* the same id within this is a double */
	UNACKED_MOST = 256,     /* delivered to one instance, and not acked */
	SETTLE_MS = 10000,      /* then what it has is on its disks */
	SEQ_BITS = 32           /* of a token; the rest is the epoch of the delivery */
};

#define SEQ_MASK ((UINT64_C(1) << SEQ_BITS) - 1)
#define EPOCH_MASK (UINT64_MAX >> SEQ_BITS)

void saga__broker_free_message(struct saga__message_kept *message)
{
	free(message->topic);
	free(message);
}

void saga__broker_free(struct saga__broker *broker)
{
	while (broker->count)
		saga__broker_free_message(broker->messages[--broker->count]);
	free(broker->messages);
	free(broker->ghosts);
	broker->messages = NULL;
	broker->ghosts = NULL;
}

/* ---- who hears it ---- */

bool saga__broker_is_cut_off(const struct saga__member *member)
{
	return member->deaf_to >> member->number & 1;
}

static bool works(const struct saga__member *member, unsigned part)
{
	return member->port && !member->dead && !saga__broker_is_cut_off(member) &&
		member->works_of && member->works >> (part & (member->works_of - 1)) & 1;
}

unsigned saga__broker_shard_of(const struct saga__member *member, unsigned part)
{
	return part & (member->shards - 1);
}

static uint64_t token_of(const struct saga__member *member, uint64_t seq)
{
	const struct saga__broker *broker = &member->sim->broker;
	unsigned shard = saga__broker_shard_of(member, broker->messages[seq - 1]->part);

	return seq | (broker->epochs[member->first->number][shard] & EPOCH_MASK) << SEQ_BITS;
}

/* The instance of a group that works a part; of several, any. NULL: none. */
static struct saga__member *worker_of(
	saga_sim *sim, const struct saga__member *first, unsigned part)
{
	struct saga__member *found[SAGA__MEMBERS_MOST], *member;
	size_t count = 0;

	for (size_t i = 0; (member = saga__sim_instance(first, i)); i++)
		if (works(member, part) && !member->choked && member->unacked < UNACKED_MOST)
			found[count++] = member;
	return count ? found[count > 1 ? saga__random_below(&sim->network, count) : 0] : NULL;
}

/* ---- delivering ---- */

void saga__broker_give_back(struct saga__message_kept *message, size_t group)
{
	if (message->groups[group].until && message->groups[group].to)
		message->groups[group].to->unacked--;
	message->groups[group].until = 0;
	message->groups[group].to = NULL;
}

static void arrive(saga_sim *sim, struct saga__happening *happening)
{
	struct saga__passing *passing = (struct saga__passing *)happening;
	struct saga__member *to = happening->member;
	saga_frame frame = { .token = passing->token,
		.id = passing->id,
		.part = passing->part,
		.place = passing->seq };
	struct saga__message_kept *message;

	if (passing->seq > sim->broker.count || !to->port || saga__broker_is_cut_off(to))
		return;
	message = sim->broker.messages[passing->seq - 1];
	frame.stored_at = message->stored_at;
	if (!saga__id_same(message->id, passing->id) ||
		token_of(to, passing->seq) != passing->token)
		return;
	frame.topic = message->topic;
	frame.bytes = (saga_bytes){ message->bytes, message->size };
	if (to->paused > sim->now) {
		saga__broker_give_back(message, to->first->number);
		return;
	}
	if (saga_port_receive(to->port, &frame, 1) == SAGA_OK)
		return;
	saga__sim_trace(sim, to, "has no room for event %llu", (unsigned long long)passing->seq);
	to->choked = true;
	saga__broker_give_back(message, to->first->number);
}

static void deliver(struct saga__member *to, struct saga__message_kept *message, uint64_t seq)
{
	saga_sim *sim = to->sim;
	size_t group = to->first->number;
	int64_t us =
		saga__random_between(&sim->network, SAGA__BROKER_LEAST_US, SAGA__BROKER_USUAL_US);
	int times = saga__sim_strikes(sim, SAGA_SIM_DOUBLE) ? 2 : 1;

	message->groups[group].until = sim->now + ACK_WAIT_US;
	message->groups[group].to = to;
	to->unacked++;
	if (saga__sim_strikes(sim, SAGA_SIM_LOSE)) {
		saga__sim_trace(
			sim, to, "FAULT: event %llu does not come", (unsigned long long)seq);
		return;
	}
	if (saga__sim_strikes(sim, SAGA_SIM_DELAY)) {
		us += saga__sim_length(sim, SAGA_SIM_DELAY);
		saga__sim_trace(sim, to, "FAULT: event %llu is late", (unsigned long long)seq);
	}
	while (times--) {
		struct saga__passing *passing =
			saga__sim_new_happening(sim, sizeof *passing, to, arrive);

		if (!passing)
			return;
		passing->seq = seq;
		passing->token = token_of(to, seq);
		passing->id = message->id;
		passing->part = message->part;
		passing->happening.life = to->life;
		saga__sim_push(
			sim, &passing->happening, sim->now + us + times * SAGA__BROKER_USUAL_US);
	}
}

/* ---- how its stream is ---- */

/*
 * All of the shard up to there is acked, or counts as that. As JetStream does, it goes on over what
 * other shards have there.
 */
uint64_t saga__broker_floor_of(const struct saga__member *member, unsigned shard)
{
	const struct saga__broker *broker = &member->sim->broker;
	size_t group = member->first->number;
	uint64_t floor = 0;

	for (uint64_t i = 0; i < broker->count; i++) {
		const struct saga__message_kept *message = broker->messages[i];

		if (saga__broker_shard_of(member, message->part) != shard) {
			floor += floor > 0 && floor == i;
			continue;
		}
		if (!(message->acked >> group & 1))
			break;
		floor = i + 1;
	}
	return floor > broker->ahead[group][shard] ? floor : broker->ahead[group][shard];
}

static void tell(struct saga__member *member)
{
	saga_sim *sim = member->sim;
	saga_broker news = { .era = sim->broker.era,
		.first = 1,
		.last = sim->broker.count,
		.doubt = member->doubts,
		.shards = member->works };

	if (!member->port || member->dead || saga__broker_is_cut_off(member) ||
		member->paused > sim->now || sim->now < member->told_at)
		return;
	for (unsigned shard = 0; shard < member->shards; shard++)
		if (member->works >> shard & 1)
			news.floors[shard] = saga__broker_floor_of(member, shard);
	member->doubts = false;
	member->told_at = sim->now + SETTLE_MS * SAGA__SIM_MS / 4;
	saga_port_broker(member->port, &news);
}

/* Unacked messages of a group go to the shard's worker, unless they did so just now. */
static void pump_group(saga_sim *sim, const struct saga__member *first)
{
	struct saga__broker *broker = &sim->broker;
	size_t group = first->number;
	bool at_floor = true;

	for (uint64_t i = broker->floors[group]; i < broker->count; i++) {
		struct saga__message_kept *message = broker->messages[i];
		struct saga__member *to;

		if (message->acked >> group & 1) {
			broker->floors[group] += at_floor;
			continue;
		}
		at_floor = false;
		if (message->groups[group].until > sim->now)
			continue;
		saga__broker_give_back(message, group);
		if ((to = worker_of(sim, first, message->part)))
			deliver(to, message, i + 1);
	}
}

static void pump(saga_sim *sim, struct saga__happening *happening)
{
	(void)happening;
	sim->broker.pump_at = SAGA__SIM_NEVER;
	for (size_t i = 0; i < sim->member_count; i++)
		tell(sim->members[i]);
	for (size_t i = 0; i < sim->member_count; i++)
		if (sim->members[i]->first == sim->members[i])
			pump_group(sim, sim->members[i]);
	saga__broker_pump(sim, LOOK_US);
}

void saga__broker_pump(saga_sim *sim, int64_t us)
{
	struct saga__happening *happening;

	if (sim->over || sim->broker.pump_at <= sim->now + us)
		return;
	if (!(happening = saga__sim_new_happening(sim, sizeof *happening, NULL, pump)))
		return;
	sim->broker.pump_at = sim->now + us;
	saga__sim_push(sim, happening, sim->broker.pump_at);
}

/* ---- publishing ---- */

/* Where it has it already, or thinks so; 0: nowhere. */
static uint64_t find(const saga_sim *sim, saga_id id, unsigned again)
{
	for (size_t i = 0; i < sim->broker.ghost_count; i++) {
		const struct saga__ghost *ghost = &sim->broker.ghosts[i];

		if (saga__id_same(ghost->id, id) && ghost->again == again)
			return ghost->seq;
	}
	for (uint64_t i = sim->broker.count; i; i--) {
		struct saga__message_kept *message = sim->broker.messages[i - 1];

		if (message->stored_at + DOUBLES_US < sim->now)
			return 0;
		if (saga__id_same(message->id, id) && message->again == again)
			return i;
	}
	return 0;
}

static bool make_room(struct saga__broker *broker)
{
	uint64_t room = broker->room ? 2 * broker->room : 256;
	struct saga__message_kept **more;

	if (broker->count < broker->room)
		return true;
	if (!(more = realloc(broker->messages, room * sizeof(struct saga__message_kept *))))
		return false;
	broker->messages = more;
	broker->room = room;
	return true;
}

static bool store(saga_sim *sim, const struct saga__passing *passing)
{
	struct saga__message_kept *message = calloc(1, sizeof *message);
	size_t topic = strlen(passing->topic) + 1;

	if (!message || !make_room(&sim->broker) ||
		!(message->topic = malloc(topic + passing->size))) {
		free(message);
		saga__sim_no_memory(sim);
		return false;
	}
	memcpy(message->topic, passing->topic, topic);
	memcpy(message->topic + topic, passing->bytes, passing->size);
	message->bytes = (unsigned char *)message->topic + topic;
	message->size = passing->size;
	message->id = passing->id;
	message->part = passing->part;
	message->again = passing->again;
	message->stored_at = sim->now;
	sim->broker.messages[sim->broker.count++] = message;
	for (size_t i = 0; i < sim->member_count; i++)
		if (sim->broker.count <=
			sim->broker.ahead[i][saga__broker_shard_of(sim->members[i], message->part)])
			message->acked |= 1u << i;
	saga__broker_pump(sim, SAGA__BROKER_LEAST_US);
	return true;
}

static void confirm(saga_sim *sim, struct saga__happening *happening)
{
	struct saga__passing *passing = (struct saga__passing *)happening;
	struct saga__member *member = happening->member;
	const saga_receipt receipt = { passing->token, passing->seq, passing->doubled };

	(void)sim;
	if (member->port && !saga__broker_is_cut_off(member))
		saga_port_sent(member->port, &receipt, 1);
}

static void drop_topic(struct saga__happening *happening)
{
	free(((struct saga__passing *)happening)->topic);
}

static void take(saga_sim *sim, struct saga__happening *happening)
{
	struct saga__passing *passing = (struct saga__passing *)happening, *answer;
	uint64_t seq;

	/* A message under way is lost with the broker's power, or with the way to it. */
	if (saga__broker_is_cut_off(happening->member))
		return;
	seq = find(sim, passing->id, passing->again);
	if (!seq && !store(sim, passing))
		return;
	if (saga__sim_strikes(sim, SAGA_SIM_LOSE)) {
		saga__sim_trace(sim, happening->member, "FAULT: a confirmation is lost");
		return;
	}
	if (!(answer = saga__sim_new_happening(sim, sizeof *answer, happening->member, confirm)))
		return;
	answer->token = passing->token;
	answer->seq = seq ? seq : sim->broker.count;
	answer->doubled = seq;
	answer->happening.life = happening->life;
	saga__sim_push(sim, &answer->happening,
		sim->now +
			saga__random_between(
				&sim->network, SAGA__BROKER_LEAST_US, SAGA__BROKER_USUAL_US));
}

static void publish(struct saga__member *from, const saga_frame *frame)
{
	saga_sim *sim = from->sim;
	int64_t us =
		saga__random_between(&sim->network, SAGA__BROKER_LEAST_US, SAGA__BROKER_USUAL_US);
	uint64_t place[2] = { (uint64_t)saga__member_now(from), from->number };
	struct saga__passing *passing;

	sim->report.frames++;
	saga__sim_hash(sim, place, sizeof place);
	saga__sim_hash(sim, frame->bytes.at, frame->bytes.size);
	saga__check_kept_frame(from, frame);
	if (saga__broker_is_cut_off(from))
		return;
	if (saga__sim_strikes(sim, SAGA_SIM_LOSE)) {
		saga__sim_trace(sim, from, "FAULT: an event does not reach the broker");
		return;
	}
	if (!(passing = saga__sim_new_happening(
		      sim, sizeof *passing + frame->bytes.size, from, take)))
		return;
	passing->happening.drop = drop_topic;
	passing->token = frame->token;
	passing->id = frame->id;
	passing->part = frame->part;
	passing->again = frame->again;
	passing->size = frame->bytes.size;
	memcpy(passing->bytes, frame->bytes.at, frame->bytes.size);
	if (!(passing->topic = strdup(frame->topic)))
		saga__sim_no_memory(sim);
	if (saga__sim_strikes(sim, SAGA_SIM_DELAY))
		us += saga__sim_length(sim, SAGA_SIM_DELAY);
	if (passing->topic)
		saga__sim_push(sim, &passing->happening, saga__member_now(from) + us);
	else
		free(passing);
}

static int send_frames(void *transport, const saga_frame *frames, size_t count, size_t *ret_sent)
{
	struct saga__line *line = transport;
	struct saga__member *member = line->member;
	saga_sim *sim = member->sim;

	if (saga__sim_crashes(member, "before it sends"))
		return SAGA_AWAY;
	if (saga__sim_strikes(sim, SAGA_SIM_UNSENT)) {
		saga__sim_trace(sim, member, "FAULT: sending fails");
		*ret_sent = 0;
		saga__network_has_room_later(member);
		return saga__sim_of_fault(sim, SAGA_SIM_UNSENT, 2) ? SAGA_OK : SAGA_AWAY;
	}
	for (size_t i = 0; i < count; i++)
		if (saga__id_is_zero(frames[i].id))
			saga__network_send(member, &frames[i]);
		else
			publish(member, &frames[i]);
	*ret_sent = count;
	(void)saga__sim_crashes(member, "when it has sent");
	return SAGA_OK;
}

/* ---- acks ---- */

static void ack(void *transport, const uint64_t *tokens, size_t count)
{
	struct saga__member *member = ((struct saga__line *)transport)->member;
	struct saga__broker *broker = &member->sim->broker;
	size_t group = member->first->number;

	if (member->dead || saga__broker_is_cut_off(member))
		return;
	for (size_t i = 0; i < count; i++) {
		uint64_t seq = tokens[i] & SEQ_MASK;

		if (!seq || seq > broker->count || token_of(member, seq) != tokens[i])
			continue;
		if (saga__sim_strikes(member->sim, SAGA_SIM_LOSE)) {
			saga__sim_trace(member->sim, member, "FAULT: an ack is lost");
			continue;
		}
		saga__check_ack(member, broker->messages[seq - 1]->id);
		saga__broker_give_back(broker->messages[seq - 1], group);
		broker->messages[seq - 1]->acked |= 1u << group;
	}
	saga__broker_pump(member->sim, SAGA__BROKER_LEAST_US);
}

/* Others get the deliveries of a shard that this member left, at once or in a while. */
void saga__broker_release(struct saga__member *member)
{
	struct saga__broker *broker = &member->sim->broker;
	size_t group = member->first->number;

	for (uint64_t i = broker->floors[group]; i < broker->count; i++)
		if (broker->messages[i]->groups[group].to == member &&
			!works(member, broker->messages[i]->part))
			saga__broker_give_back(broker->messages[i], group);
	saga__broker_pump(member->sim, SAGA__BROKER_LEAST_US);
}

static void work(void *transport, uint64_t shards, unsigned of)
{
	struct saga__member *member = ((struct saga__line *)transport)->member;

	if (member->dead)
		return;
	member->works = shards;
	member->works_of = of;
	member->told_at = 0;
	saga__broker_release(member);
}

static void resume(void *transport)
{
	struct saga__member *member = ((struct saga__line *)transport)->member;

	member->choked = false;
	saga__broker_pump(member->sim, SAGA__BROKER_LEAST_US);
}

/* ---- rest ---- */

uint64_t saga__broker_open(const saga_sim *sim, const struct saga__member *member)
{
	uint64_t open = 0;

	for (uint64_t i = 0; i < sim->broker.count; i++)
		open += !(sim->broker.messages[i]->acked >> member->first->number & 1);
	return open;
}

bool saga__broker_has(const saga_sim *sim, saga_id id)
{
	for (uint64_t i = sim->broker.count; i; i--)
		if (saga__id_same(sim->broker.messages[i - 1]->id, id))
			return true;
	return false;
}

/* ---- a line to it ---- */

static int open_line(saga_port *port, const saga_transport_options *options, void **ret_transport,
	saga_error *error)
{
	struct saga__member *member = options->context;
	struct saga__line *line = calloc(1, sizeof *line);

	if (!line)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	*line = (struct saga__line){ member, port };
	if (!member->dead) {
		member->port = port;
		member->topics = options->topics;
		member->works = member->works_of = 0;
		member->choked = false;
		member->doubts = true;
		member->told_at = 0;
		saga_port_settles(port, SETTLE_MS);
	}
	member->sim->open_handles++;
	saga__broker_pump(member->sim, SAGA__BROKER_LEAST_US);
	saga_port_state(port, !saga__broker_is_cut_off(member), "joined the world");
	return *ret_transport = line, SAGA_OK;
}

static void close_line(void *transport)
{
	struct saga__line *line = transport;
	saga_port *port = line->port;

	line->member->port = NULL;
	saga__broker_release(line->member);
	line->member->sim->open_handles--;
	free(line);
	saga_port_closed(port);
}

const saga_transport_ops saga__sim_broker = {
	.size = sizeof(saga_transport_ops),
	.schemes = "sim",
	.traits = SAGA_TRANSPORT_DURABLE,
	.open = open_line,
	.send = send_frames,
	.ack = ack,
	.resume = resume,
	.close = close_line,
	.work = work,
	.look = saga__broker_look,
	.look_behind = saga__broker_look_behind,
	.rewind = saga__broker_rewind,
};
