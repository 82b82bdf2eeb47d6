#ifndef SAGA_SIM_BROKER_H
#define SAGA_SIM_BROKER_H

/* The two files of the broker share this: broker.c carries, broker_loss.c loses. */

#include "world.h"

enum {
	SAGA__BROKER_LEAST_US = 100,
	SAGA__BROKER_USUAL_US = 2000
};

/* A message that the broker keeps; its number is its place. */
struct saga__message_kept {
	saga_id id;
	char *topic; /* the bytes are behind it */
	size_t size;
	const unsigned char *bytes;
	unsigned part, again;
	int64_t stored_at;
	uint32_t acked; /* bits of groups: a group is the number of its first instance */
	struct {
		int64_t until; /* delivered, and not again before; 0: not delivered */
		struct saga__member *to;
	} groups[SAGA__MEMBERS_MOST];
};

/* It lost the event, and remembers its id. */
struct saga__ghost {
	saga_id id;
	unsigned again;
	uint64_t seq;
};

struct saga__line {
	struct saga__member *member;
	saga_port *port;
};

/* On its way to the broker, or from it. */
struct saga__passing {
	struct saga__happening happening;
	uint64_t seq, token;
	saga_id id;
	unsigned part, again;
	bool doubled;
	char *topic;
	size_t size;
	unsigned char bytes[];
};

bool saga__broker_is_cut_off(const struct saga__member *member);
unsigned saga__broker_shard_of(const struct saga__member *member, unsigned part);
/* All of the shard up to there is acked, or counts as that. */
uint64_t saga__broker_floor_of(const struct saga__member *member, unsigned shard);
void saga__broker_give_back(struct saga__message_kept *message, size_t group);
/* The member gives back its deliveries of shards that it does not work. */
void saga__broker_release(struct saga__member *member);
void saga__broker_free_message(struct saga__message_kept *message);

/* Slots of the transport. */
void saga__broker_look(void *transport, uint64_t place);
void saga__broker_look_behind(void *transport, unsigned shard, uint64_t place);
void saga__broker_rewind(void *transport, unsigned shard, uint64_t place);

#endif
