/* The bus of the nng transport: what participants publish at its in goes to all at its out. */

#include "bus.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "../../transports/nng_place.h"
#include "text.h"

#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>

enum {
	BUFFER = 8192 /* frames; nng's most */
};

const char bus_help[] =
	"usage: saga bus --in URL [--out URL]\n"
	"Forwards what participants publish at --in to all who listen at --out, until SIGTERM or\n"
	"SIGINT. Keeps no state: it may be killed and started again at any time.\n"
	"\n"
	"  --in URL    nng+tcp://HOST:PORT, nng+ipc:///PATH or\n"
	"              nng+tls+tcp://HOST:PORT?ca=FILE&cert=FILE&key=FILE\n"
	"  --out URL   where to listen for listeners; default: what --in says by ?out=, else\n"
	"              one port further, or PATH.out, with the settings of --in\n"
	"\n"
	"Settings behind `?`, joined by `&`: frame (bytes of the largest message, 1048576), "
	"recvbuf\n"
	"(frames that wait to be forwarded, 8192), sendbuf (frames that wait for one listener,\n"
	"8192), and for tls ca, cert, key. A peer without a certificate of that ca gets nothing "
	"in\n"
	"and nothing out. HOST is an address of this machine; 0.0.0.0 is all of them.\n";

struct forwarder {
	struct saga__nng_place in, out;
	nng_tls_config *in_config, *out_config;
	nng_socket sub, pub;
	nng_aio *coming, *going;
	uint64_t frames; /* of on_frame alone, until that has ended */
};

/* ---- forwarding ---- */

/* On nng's threads, one at a time. A pub socket never waits: what a listener has no room for is lost. */
static void on_frame(void *context)
{
	struct forwarder *forwarder = context;

	if (nng_aio_result(forwarder->coming) != 0)
		return;
	nng_aio_set_msg(forwarder->going, nng_aio_get_msg(forwarder->coming));
	nng_send_aio(forwarder->pub, forwarder->going);
	nng_aio_wait(forwarder->going);
	if (nng_aio_result(forwarder->going) != 0)
		nng_msg_free(nng_aio_get_msg(forwarder->going));
	forwarder->frames++;
	nng_recv_aio(forwarder->sub, forwarder->coming);
}

static int set_buffers(const struct forwarder *forwarder)
{
	size_t recvbuf = forwarder->in.recvbuf ? forwarder->in.recvbuf : BUFFER;
	size_t sendbuf = forwarder->out.sendbuf ? forwarder->out.sendbuf : BUFFER;
	int failed = nng_socket_set_int(forwarder->sub, NNG_OPT_RECVBUF, (int)recvbuf);

	if (!failed)
		failed = nng_socket_set_bool(forwarder->sub, NNG_OPT_SUB_PREFNEW, false);
	if (!failed)
		failed = nng_socket_set_int(forwarder->pub, NNG_OPT_SENDBUF, (int)sendbuf);
	return failed ? failed : nng_socket_set(forwarder->sub, NNG_OPT_SUB_SUBSCRIBE, "", 0);
}

static int open_sockets(struct forwarder *forwarder)
{
	int failed = nng_sub0_open(&forwarder->sub);

	if (!failed)
		failed = nng_pub0_open(&forwarder->pub);
	if (!failed)
		failed = nng_aio_alloc(&forwarder->coming, on_frame, forwarder);
	if (!failed)
		failed = nng_aio_alloc(&forwarder->going, NULL, NULL);
	return failed ? failed : set_buffers(forwarder);
}

static void close_all(struct forwarder *forwarder)
{
	nng_aio_stop(forwarder->coming);
	(void)nng_close(forwarder->sub);
	(void)nng_close(forwarder->pub);
	nng_aio_free(forwarder->coming);
	nng_aio_free(forwarder->going);
	saga__nng_tls_close(forwarder->in_config);
	saga__nng_tls_close(forwarder->out_config);
}

/* ---- the command ---- */

static int read_places(const struct arguments *arguments, struct forwarder *forwarder)
{
	saga_error error;

	if (saga__nng_place_read(arguments->in, &forwarder->in, &error) != SAGA_OK)
		return complain("option --in: %s", error.text), EXIT_WRONG_USE;
	forwarder->out = forwarder->in;
	if (!arguments->out)
		return EXIT_DONE;
	if (saga__nng_place_read(arguments->out, &forwarder->out, &error) != SAGA_OK)
		return complain("option --out: %s", error.text), EXIT_WRONG_USE;
	/* It is an out itself, whatever its own would be. */
	memcpy(forwarder->out.out, forwarder->out.in, sizeof forwarder->out.out);
	if (strcmp(forwarder->out.out, forwarder->in.in) == 0)
		return complain("option --out: is the same as --in"), EXIT_WRONG_USE;
	return EXIT_DONE;
}

static int read_keys(struct forwarder *forwarder)
{
	saga_error error;

	if (saga__nng_tls_open(&forwarder->in, true, &forwarder->in_config, &error) != SAGA_OK)
		return complain("option --in: %s", error.text), EXIT_FAILED;
	if (saga__nng_tls_open(&forwarder->out, true, &forwarder->out_config, &error) != SAGA_OK)
		return complain("option --out: %s", error.text), EXIT_FAILED;
	return EXIT_DONE;
}

static int listen_at(nng_socket socket, const struct saga__nng_place *place, const char *url,
	nng_tls_config *tls)
{
	int failed = saga__nng_listen(socket, place, url, tls);

	if (failed)
		return complain("%s: %s", url, nng_strerror(failed)), EXIT_FAILED;
	return EXIT_DONE;
}

/* Out first: who can say something then finds listeners. */
static int start(struct forwarder *forwarder)
{
	int failed = open_sockets(forwarder), code;

	if (failed)
		return complain("%s", nng_strerror(failed)), EXIT_FAILED;
	code = listen_at(
		forwarder->pub, &forwarder->out, forwarder->out.out, forwarder->out_config);
	if (code == EXIT_DONE)
		code = listen_at(
			forwarder->sub, &forwarder->in, forwarder->in.in, forwarder->in_config);
	if (code == EXIT_DONE)
		nng_recv_aio(forwarder->sub, forwarder->coming);
	return code;
}

/* Before nng makes its threads: they are to inherit it. */
static void block_signals(sigset_t *ret_signals)
{
	(void)sigemptyset(ret_signals);
	(void)sigaddset(ret_signals, SIGTERM);
	(void)sigaddset(ret_signals, SIGINT);
	(void)pthread_sigmask(SIG_BLOCK, ret_signals, NULL);
}

int bus(const struct arguments *arguments)
{
	struct forwarder forwarder = { .frames = 0 };
	int code = read_places(arguments, &forwarder), signal = 0;
	sigset_t signals;

	if (code != EXIT_DONE)
		return code;
	block_signals(&signals);
	code = read_keys(&forwarder);
	if (code == EXIT_DONE)
		code = start(&forwarder);
	if (code == EXIT_DONE) {
		fprintf(stderr, "saga bus: from %s to %s\n", forwarder.in.in, forwarder.out.out);
		while (sigwait(&signals, &signal) != 0)
			;
	}
	close_all(&forwarder);
	if (code == EXIT_DONE)
		fprintf(stderr, "saga bus: ends, %" PRIu64 " frames were forwarded\n",
			forwarder.frames);
	return code;
}
