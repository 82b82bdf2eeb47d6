#ifndef POSTGRES_PROXY_H
#define POSTGRES_PROXY_H

/* Between a client and a server: counts the round trips, stalls, and loses answers. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct proxy {
	int listener, client, server;
	int server_port;
	int port;
	pthread_t thread;
	atomic_bool ends;
	atomic_bool stalls;        /* nothing passes any more */
	atomic_bool loses_answers; /* what the server says is dropped, and then both are cut off */
	atomic_int turns;          /* how often the client spoke after the server */
};

void proxy_start(struct proxy *proxy, int server_port);
void proxy_stop(struct proxy *proxy);

#endif
