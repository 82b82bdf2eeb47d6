#ifndef SHOP_DRIVE_H
#define SHOP_DRIVE_H

/* Sends an orders file to the services by HTTP, until all is answered and has ended. */

#include <stdbool.h>
#include <stdint.h>

struct drive_settings {
	const char *orders;
	const char *products; /* NULL: any product may be ordered */
	const char *order_url, *stock_url;
	const char *token; /* NULL: none */
	int64_t in_flight;
	int64_t patience_s; /* for one answer, and for all orders to end */
	bool json;
};

/* 0: all was answered, and all orders have ended; 1: not, said on stderr. */
int drive(const struct drive_settings *settings);

#endif
