/* The bus of the nng transport: what participants publish at its in goes to all at its out. */

#include "bus.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "../../transports/nng_link.h"
#include "../../transports/nng_place.h"
#include "text.h"

enum {
	SENDBUF = 4194304,
	PEERS = 1024, /* of both sides together */
	WAITING = 64, /* of a side: that have not said yet what they are, or shown a certificate */
	TURN_MS = 50,
	HELLO_MS = 10000, /* for a peer to do that; a TLS handshake may be slow */
	HASTE_MS = 2000,  /* the same, where WAITING peers have not and another one comes */
	TELL_MS = 10000   /* between two lines about losses */
};

const char bus_help[] =
	"usage: saga bus --in URL [--out URL]\n"
	"Forwards the messages that participants publish at --in to all listeners at --out, until\n"
	"SIGTERM or SIGINT. Keeps no state: you may kill and start it again at any time.\n"
	"\n"
	"  --in URL    nng+tcp://HOST:PORT, nng+ipc:///PATH or\n"
	"              nng+tls+tcp://HOST:PORT?ca=FILE&cert=FILE&key=FILE\n"
	"  --out URL   the address for listeners; default: the setting ?out= of --in, else one\n"
	"              port further, or PATH.out, with the settings of --in\n"
	"\n"
	"Settings behind `?`, joined by `&`: frame (bytes of the largest message, 1048576), "
	"sendbuf\n"
	"(bytes that wait for one listener, 4194304; beyond them it loses messages), and for "
	"tls\n"
	"ca, cert, key. A peer without a certificate of that ca gets nothing in and nothing out.\n"
	"HOST is an address of this machine; 0.0.0.0 is all of them.\n";

struct forwarder;

struct peer {
	struct door *door;
	struct saga__nng_link *link;
	bool up, down;
	uint64_t since;
};

/* Its in or its out: who listens, and who came. */
struct door {
	struct forwarder *forwarder;
	enum saga__nng_side side;
	struct saga__nng_place place;
	nng_tls_config *config;
	nng_stream_listener *listener;
	nng_aio *accepting;
	bool accepts;
	struct peer *peers[PEERS]; /* under the forwarder's lock */
	size_t count;
};

struct forwarder {
	struct door in, out;
	uv_mutex_t lock;
	uint64_t frames, lost, said_lost;
	uint64_t refused, said_refused; /* peers */
	uint64_t silent;                /* peers that made room, or took too long, without a word */
};

static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

/* ---- forwarding, on nng's threads ---- */

static bool on_message(void *context, const char *bytes, size_t size)
{
	struct forwarder *forwarder = ((struct peer *)context)->door->forwarder;
	struct door *out = &forwarder->out;

	uv_mutex_lock(&forwarder->lock);
	forwarder->frames++;
	for (size_t i = 0; i < out->count; i++)
		if (out->peers[i]->up &&
			!saga__nng_link_put(out->peers[i]->link, bytes, size, NULL, 0))
			forwarder->lost++;
	uv_mutex_unlock(&forwarder->lock);
	return true;
}

/* Messages that were read at one go leave at one go. */
static void on_pause(void *context)
{
	struct forwarder *forwarder = ((struct peer *)context)->door->forwarder;
	struct door *out = &forwarder->out;

	uv_mutex_lock(&forwarder->lock);
	for (size_t i = 0; i < out->count; i++)
		if (out->peers[i]->up)
			saga__nng_link_flush(out->peers[i]->link);
	uv_mutex_unlock(&forwarder->lock);
}

static void set_up(void *context, struct saga__nng_link *link)
{
	struct peer *peer = context;
	struct forwarder *forwarder = peer->door->forwarder;

	(void)link; /* open_peer has it; a peer that is ending is looked at without the lock */
	uv_mutex_lock(&forwarder->lock);
	peer->up = true;
	uv_mutex_unlock(&forwarder->lock);
}

static void set_down(void *context, struct saga__nng_link *link)
{
	struct peer *peer = context;
	struct forwarder *forwarder = peer->door->forwarder;

	(void)link;
	uv_mutex_lock(&forwarder->lock);
	peer->up = false;
	peer->down = true;
	uv_mutex_unlock(&forwarder->lock);
}

/* A message without room at a listener was lost and counted already. */
static void ignore_room(void *context)
{
	(void)context;
}

/* ---- peers come ---- */

static bool waits(const struct peer *peer)
{
	return !peer->up && !peer->down;
}

/*
 * Under the lock. Peers that have not shown who they are must not keep members out: they are few,
 * and the one that has waited the longest makes room.
 */
static bool has_room(struct door *door)
{
	struct peer *oldest = NULL;
	size_t waiting = 0;

	if (door->count >= PEERS / 2)
		return false;
	for (size_t i = 0; i < door->count; i++) {
		struct peer *peer = door->peers[i];

		if (!waits(peer))
			continue;
		waiting++;
		if (!oldest || peer->since < oldest->since)
			oldest = peer;
	}
	if (waiting < WAITING)
		return true;
	if (now_ms() - oldest->since < HASTE_MS)
		return false;
	oldest->down = true; /* the next turn closes it */
	door->forwarder->silent++;
	return true;
}

static void open_peer(struct door *door, nng_stream *stream)
{
	struct forwarder *forwarder = door->forwarder;
	struct peer *peer = calloc(1, sizeof *peer);
	const struct saga__nng_link_config config = {
		.side = door->side,
		.ipc = door->place.ipc,
		.frame = (size_t)door->place.frame,
		.sendbuf = (size_t)(door->place.sendbuf ? door->place.sendbuf : SENDBUF),
		.context = peer,
		.up = set_up,
		.message = on_message,
		.pause = on_pause,
		.writable = ignore_room,
		.down = set_down,
	};
	bool welcome;

	uv_mutex_lock(&forwarder->lock);
	welcome = peer && has_room(door);
	if (welcome) {
		*peer = (struct peer){ .door = door, .since = now_ms() };
		if (saga__nng_link_open(stream, &config, &peer->link) == 0)
			door->peers[door->count++] = peer;
		else
			free(peer);
	} else {
		forwarder->refused++;
	}
	uv_mutex_unlock(&forwarder->lock);
	if (welcome)
		return;
	free(peer);
	nng_stream_close(stream);
	nng_stream_free(stream);
}

static void on_accepted(void *context)
{
	struct door *door = context;

	if (nng_aio_result(door->accepting) == 0) {
		open_peer(door, nng_aio_get_output(door->accepting, 0));
		nng_stream_listener_accept(door->listener, door->accepting);
		return;
	}
	/* Without files or memory for it: at the next turn. */
	uv_mutex_lock(&door->forwarder->lock);
	door->accepts = false;
	uv_mutex_unlock(&door->forwarder->lock);
}

/* ---- peers go ---- */

static struct peer *take_ended(struct door *door, uint64_t now, bool all)
{
	struct peer *ended = NULL;

	uv_mutex_lock(&door->forwarder->lock);
	for (size_t i = 0; i < door->count && !ended; i++) {
		struct peer *peer = door->peers[i];

		bool is_late = waits(peer) && now - peer->since >= HELLO_MS;

		if (all || peer->down || is_late) {
			door->forwarder->silent += is_late;
			ended = peer;
			door->peers[i] = door->peers[--door->count];
		}
	}
	uv_mutex_unlock(&door->forwarder->lock);
	return ended;
}

static void close_ended(struct door *door, bool all)
{
	uint64_t now = now_ms();
	struct peer *peer;

	while ((peer = take_ended(door, now, all)) != NULL) {
		saga__nng_link_close(peer->link);
		free(peer);
	}
}

static void turn_door(struct door *door)
{
	bool accepts;

	close_ended(door, false);
	uv_mutex_lock(&door->forwarder->lock);
	accepts = door->accepts;
	door->accepts = true;
	uv_mutex_unlock(&door->forwarder->lock);
	if (!accepts)
		nng_stream_listener_accept(door->listener, door->accepting);
}

static void tell_losses(struct forwarder *forwarder, uint64_t *told_at)
{
	uint64_t lost, refused;

	if (*told_at && now_ms() - *told_at < TELL_MS)
		return;
	uv_mutex_lock(&forwarder->lock);
	lost = forwarder->lost - forwarder->said_lost;
	forwarder->said_lost = forwarder->lost;
	refused = forwarder->refused + forwarder->silent - forwarder->said_refused;
	forwarder->said_refused += refused;
	uv_mutex_unlock(&forwarder->lock);
	if (lost || refused)
		*told_at = now_ms();
	if (lost)
		(void)fail("bus: %" PRIu64 " frames found no room at a slow listener", lost);
	if (refused)
		(void)fail("bus: %" PRIu64 " peers were too many, or did not say what they are",
			refused);
}

/* Until one of the signals. */
static void turn(struct forwarder *forwarder, const sigset_t *signals)
{
	const struct timespec wait = { .tv_nsec = TURN_MS * 1000000L };
	uint64_t told_at = 0;

	while (sigtimedwait(signals, NULL, &wait) < 0) {
		turn_door(&forwarder->in);
		turn_door(&forwarder->out);
		tell_losses(forwarder, &told_at);
	}
}

/* ---- opening and closing ---- */

static int open_door(struct door *door, const char *url)
{
	int failed = nng_aio_alloc(&door->accepting, on_accepted, door);

	if (!failed)
		failed = saga__nng_listener_open(&door->place, url, door->config, &door->listener);
	if (failed)
		return fail("%s: %s", url, nng_strerror(failed)), EXIT_FAILED;
	nng_aio_set_timeout(door->accepting, NNG_DURATION_INFINITE);
	door->accepts = true;
	nng_stream_listener_accept(door->listener, door->accepting);
	return EXIT_DONE;
}

static void close_door(struct door *door)
{
	if (door->listener)
		nng_stream_listener_close(door->listener);
	nng_aio_stop(door->accepting);
	close_ended(door, true);
	nng_aio_free(door->accepting);
	if (door->listener)
		nng_stream_listener_free(door->listener);
	saga__nng_tls_close(door->config);
}

static int read_places(const struct arguments *arguments, struct forwarder *forwarder)
{
	struct saga__nng_place *in = &forwarder->in.place, *out = &forwarder->out.place;
	saga_error error;

	if (saga__nng_place_read(arguments->in, in, &error) != SAGA_OK)
		return fail("option --in: %s", error.text), EXIT_WRONG_USE;
	*out = *in;
	if (!arguments->out)
		return EXIT_DONE;
	if (saga__nng_place_read(arguments->out, out, &error) != SAGA_OK)
		return fail("option --out: %s", error.text), EXIT_WRONG_USE;
	/* It is an out itself, whatever its own would be. */
	memcpy(out->out, out->in, sizeof out->out);
	if (strcmp(out->out, in->in) == 0)
		return fail("option --out: is the same as --in"), EXIT_WRONG_USE;
	return EXIT_DONE;
}

static int read_keys(struct door *door, const char *option)
{
	saga_error error;

	if (saga__nng_tls_open(&door->place, true, &door->config, &error) == SAGA_OK)
		return EXIT_DONE;
	return fail("option %s: %s", option, error.text), EXIT_FAILED;
}

static int start(struct forwarder *forwarder)
{
	int code = read_keys(&forwarder->in, "--in");

	if (code == EXIT_DONE)
		code = read_keys(&forwarder->out, "--out");
	/* Out first: who can say something then finds listeners. */
	if (code == EXIT_DONE)
		code = open_door(&forwarder->out, forwarder->out.place.out);
	if (code == EXIT_DONE)
		code = open_door(&forwarder->in, forwarder->in.place.in);
	return code;
}

/* ---- the command ---- */

/* Before nng makes its threads: they are to inherit it. */
static void block_signals(sigset_t *ret_signals)
{
	(void)sigemptyset(ret_signals);
	(void)sigaddset(ret_signals, SIGTERM);
	(void)sigaddset(ret_signals, SIGINT);
	(void)pthread_sigmask(SIG_BLOCK, ret_signals, NULL);
}

static int run(struct forwarder *forwarder)
{
	sigset_t signals;
	int code;

	block_signals(&signals);
	code = start(forwarder);
	if (code == EXIT_DONE) {
		complain("saga bus: from %s to %s", forwarder->in.place.in,
			forwarder->out.place.out);
		turn(forwarder, &signals);
	}
	close_door(&forwarder->in);
	close_door(&forwarder->out);
	if (code == EXIT_DONE)
		complain("saga bus: ends: %" PRIu64 " frames came, %" PRIu64
			 " found no room at a listener, %" PRIu64 " peers were too many, %" PRIu64
			 " did not say what they are",
			forwarder->frames, forwarder->lost, forwarder->refused, forwarder->silent);
	return code;
}

int bus(const struct arguments *arguments)
{
	struct forwarder *forwarder = calloc(1, sizeof *forwarder);
	int code;

	if (!forwarder || uv_mutex_init(&forwarder->lock) != 0) {
		free(forwarder);
		return fail("out of memory");
	}
	forwarder->in = (struct door){ .forwarder = forwarder, .side = SAGA__NNG_SUB };
	forwarder->out = (struct door){ .forwarder = forwarder, .side = SAGA__NNG_PUB };
	code = read_places(arguments, forwarder);
	if (code == EXIT_DONE)
		code = run(forwarder);
	uv_mutex_destroy(&forwarder->lock);
	free(forwarder);
	return code;
}
