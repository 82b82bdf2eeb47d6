#ifndef SAGA_NNG_PLACE_H
#define SAGA_NNG_PLACE_H

/*
 * Where a bus is, and how one meets there: the URLs of transports/nng.c, which `saga bus` reads
 * too.
 *
 *	nng+ipc://PATH              PATH begins with a slash
 *	nng+tcp://HOST:PORT
 *	nng+tls+tcp://HOST:PORT?ca=FILE&cert=FILE&key=FILE
 *
 * This is the bus's *in*, which participants publish to. Its *out*, which they listen to, is one
 * port further, or at PATH.out; `?out=` says otherwise. Settings follow a `?`, joined by `&`, and
 * are percent-encoded:
 *
 *	out        PORT, HOST:PORT or PATH
 *	sendbuf    bytes that wait to be sent, for each connection: 65536 to 268435456; as many may
 *	           be under way. A participant's default 1048576, that of the bus 4194304
 *	frame      bytes of the largest message that is let in: 1024 to 268435456; a connection that
 *	           announces a larger one is closed. Default 1048576
 *	reconnect  ms, the longest wait between two attempts to connect: 10 to 60000. Default 1000
 *	ca, cert, key  PEM files: who is trusted, who we are. Mandatory for tls, refused elsewhere
 *	name       tls: the name that the bus's certificate must bear. Default HOST
 */

#include <saga/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

enum {
	SAGA__NNG_TEXT = 256,
	SAGA__NNG_FRAME = 1048576
};

struct saga__nng_place {
	char in[SAGA__NNG_TEXT]; /* as nng writes it: tcp://host:5560 */
	char out[SAGA__NNG_TEXT];
	bool ipc, tls;
	char ca[SAGA__NNG_TEXT], cert[SAGA__NNG_TEXT], key[SAGA__NNG_TEXT], name[SAGA__NNG_TEXT];
	int64_t sendbuf; /* 0: not said */
	int64_t frame, reconnect;
};

/* MALFORMED, in words that name what is wrong. Touches no file and no network. */
int saga__nng_place_read(const char *url, struct saga__nng_place *ret_place, saga_error *error);

/*
 * Makes the TLS settings of a dialer or a listener; *ret_config is NULL if no TLS is spoken.
 * Reads the files. MALFORMED; UNSUPPORTED: this nng was built without TLS; NOMEM.
 */
int saga__nng_tls_open(const struct saga__nng_place *place, bool listens,
	nng_tls_config **ret_config, saga_error *error);
void saga__nng_tls_close(nng_tls_config *config);

/* To connect there; nng's error number. */
int saga__nng_dialer_open(const struct saga__nng_place *place, const char *url,
	nng_tls_config *config, nng_stream_dialer **ret_dialer);

/* Listens there; nng's error number. */
int saga__nng_listener_open(const struct saga__nng_place *place, const char *url,
	nng_tls_config *config, nng_stream_listener **ret_listener);

#endif
