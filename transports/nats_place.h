#ifndef SAGA_NATS_PLACE_H
#define SAGA_NATS_PLACE_H

/*
 * Where NATS servers are, and what is kept there: the URLs of transports/nats.c.
 *
 *	nats://[USER:PASSWORD@|TOKEN@]HOST[:PORT][,HOST[:PORT]]...[/DOMAIN][?SETTING=VALUE&...]
 *	tls://  the same, by TLS
 *
 * PORT is 4222 if nothing is said. DOMAIN, 1 to 32 of A-Z a-z 0-9 _ -, is `saga` if nothing is
 * said: one choreography's stream has that name, and its subjects begin so. The text before
 * the last `@` is percent-encoded, where a `?` must be %3F, and so are the settings.
 * Settings:
 *
 *	replicas   1 to 5: of the stream, and so of its consumers. Default 1
 *	retention  limits; or interest: an event goes when all consumers that exist have acked it.
 *	           Default limits
 *	age        seconds that the stream keeps an event; 0: for ever. Default 7776000 (90 days):
 *	           longer than any participant may be away, since what is gone is not told
 *	bytes, messages  how much the stream holds; 0: as much as the servers let it. When it is
 *	           full nothing is dropped: it takes no more, events wait in the outbox. Default 0
 *	settle     seconds after which an event that was confirmed is on the servers' disks for
 *	           sure: 1 to 86400. Default 250, two sync intervals (of 2 minutes, if the servers'
 *	           configuration says nothing) and a little
 *	window     seconds in which the same event is known to be a double: 1 to 172800. Default
 *	           twice `settle`, which is the least that is of use
 *	ack        seconds until what was not acked is delivered again: 1 to 3600; what
 *	           is in hand is said to be in progress each third of it, so it ends only for who
 *	           was killed or stands still. Default 10
 *	pending    events of one shard that are delivered and not acked: 1 to 65536. Default 256
 *	format     msgpack; or json: how we publish, application/cloudevents+json. What comes may be
 *	           either. Default msgpack
 *	creds      a file with a user's JWT and seed
 *	reconnect  ms, the longest wait between two attempts to connect: 10 to 60000. Default 500
 *	ca, cert, key  PEM files: who is trusted, who we are. tls only
 *	name       tls: the name that the server's certificate must bear. Default HOST
 *
 * Those of the stream count where it is made, by the first who comes; in one that is there,
 * replicas, retention, age and limits are an operator's. Those of consumers are brought up to date.
 */

#include <saga/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SAGA__NATS_TEXT = 256,
	SAGA__NATS_SERVERS = 16,
	SAGA__NATS_DOMAIN = 33
};

enum saga__nats_retention {
	SAGA__NATS_LIMITS,
	SAGA__NATS_INTEREST
};

enum saga__nats_format {
	SAGA__NATS_MSGPACK,
	SAGA__NATS_JSON
};

struct saga__nats_place {
	char servers[SAGA__NATS_SERVERS][SAGA__NATS_TEXT]; /* "nats://host:port" */
	size_t server_count;
	bool tls;
	enum saga__nats_retention retention;
	enum saga__nats_format format;
	char domain[SAGA__NATS_DOMAIN];
	char user[SAGA__NATS_TEXT], password[SAGA__NATS_TEXT], token[SAGA__NATS_TEXT];
	char creds[SAGA__NATS_TEXT];
	char ca[SAGA__NATS_TEXT], cert[SAGA__NATS_TEXT], key[SAGA__NATS_TEXT],
		name[SAGA__NATS_TEXT];
	int64_t replicas, age, bytes, messages, settle, window, ack, pending, reconnect;
};

/* MALFORMED, in words that name what is wrong, but no password. Touches no file and no network. */
int saga__nats_place_read(const char *url, struct saga__nats_place *ret_place, saga_error *error);

#endif
