#include "arguments.h"

#include "complain.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum option_code {
	OPTION_HELP = 256,
	OPTION_ORDERS,
	OPTION_PRODUCTS,
	OPTION_DATA,
	OPTION_JSON,
	OPTION_CREDIT,
	OPTION_CARRIER,
	OPTION_RESTOCK,
	OPTION_LANES,
	OPTION_DISPATCH,
	OPTION_DEADLINE,
	OPTION_PATIENCE,
	OPTION_LEASE,
	OPTION_FAULTS,
	OPTION_STORE_ORDER,
	OPTION_STORE_PAYMENT,
	OPTION_STORE_STOCK,
	OPTION_LEDGER,
	OPTION_URL,
	OPTION_STOCK_URL,
	OPTION_TOKEN_FILE,
	OPTION_IN_FLIGHT
};

/* Those that all commands know come first. */
const struct option run_options[] = {
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "data", required_argument, NULL, OPTION_DATA },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "store-order", required_argument, NULL, OPTION_STORE_ORDER },
	{ "store-payment", required_argument, NULL, OPTION_STORE_PAYMENT },
	{ "store-stock", required_argument, NULL, OPTION_STORE_STOCK },
	{ "orders", required_argument, NULL, OPTION_ORDERS },
	{ "products", required_argument, NULL, OPTION_PRODUCTS },
	{ "credit", required_argument, NULL, OPTION_CREDIT },
	{ "carrier", required_argument, NULL, OPTION_CARRIER },
	{ "restock", required_argument, NULL, OPTION_RESTOCK },
	{ "lanes", required_argument, NULL, OPTION_LANES },
	{ "dispatch-ms", required_argument, NULL, OPTION_DISPATCH },
	{ "deadline-ms", required_argument, NULL, OPTION_DEADLINE },
	{ "patience-s", required_argument, NULL, OPTION_PATIENCE },
	{ "lease-ms", required_argument, NULL, OPTION_LEASE },
	{ "provider-faults", required_argument, NULL, OPTION_FAULTS },
	{ NULL, 0, NULL, 0 },
};
const struct option look_options[] = {
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "data", required_argument, NULL, OPTION_DATA },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "store-order", required_argument, NULL, OPTION_STORE_ORDER },
	{ "store-payment", required_argument, NULL, OPTION_STORE_PAYMENT },
	{ "store-stock", required_argument, NULL, OPTION_STORE_STOCK },
	{ "ledger", required_argument, NULL, OPTION_LEDGER },
	{ NULL, 0, NULL, 0 },
};

const struct option drive_options[] = {
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "orders", required_argument, NULL, OPTION_ORDERS },
	{ "products", required_argument, NULL, OPTION_PRODUCTS },
	{ "patience-s", required_argument, NULL, OPTION_PATIENCE },
	{ "url", required_argument, NULL, OPTION_URL },
	{ "stock-url", required_argument, NULL, OPTION_STOCK_URL },
	{ "token-file", required_argument, NULL, OPTION_TOKEN_FILE },
	{ "in-flight", required_argument, NULL, OPTION_IN_FLIGHT },
	{ NULL, 0, NULL, 0 },
};

static int take_number(
	const char *name, const char *text, int64_t least, int64_t greatest, int64_t *ret_number)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || end == text || *end || number < least || number > greatest) {
		complain("shop: --%s `%s`: not a whole number from %lld to %lld", name, text,
			(long long)least, (long long)greatest);
		return -1;
	}
	*ret_number = number;
	return 0;
}

static int take_lanes(const char *text, int *ret_lanes)
{
	int64_t lanes;

	if (take_number("lanes", text, 0, 64, &lanes) != 0)
		return -1;
	*ret_lanes = (int)lanes;
	return 0;
}

/* Where an option's text goes as it is. NULL: it is more than a text. */
static const char **text_of(int code, struct arguments *a)
{
	switch (code) {
	case OPTION_DATA:
		return &a->data;
	case OPTION_STORE_ORDER:
	case OPTION_STORE_PAYMENT:
	case OPTION_STORE_STOCK:
		return &a->stores[code - OPTION_STORE_ORDER];
	case OPTION_LEDGER:
		return &a->ledger;
	case OPTION_URL:
		return &a->drive.order_url;
	case OPTION_STOCK_URL:
		return &a->drive.stock_url;
	case OPTION_TOKEN_FILE:
		return &a->token_file;
	case OPTION_ORDERS:
		return &a->run.orders;
	case OPTION_PRODUCTS:
		return &a->run.products;
	case OPTION_CREDIT:
		return &a->run.credit;
	case OPTION_CARRIER:
		return &a->run.carrier;
	default:
		return NULL;
	}
}

static int take_option(int code, const char *value, struct arguments *a)
{
	const int64_t day_ms = 86400000;
	const char **text = text_of(code, a);

	if (text) {
		*text = value;
		return 0;
	}
	switch (code) {
	case OPTION_JSON:
		a->json = true;
		return 0;
	case OPTION_IN_FLIGHT:
		return take_number("in-flight", value, 1, 256, &a->drive.in_flight);
	case OPTION_RESTOCK:
		return take_number("restock", value, 0, 1000000, &a->run.restock);
	case OPTION_LANES:
		return take_lanes(value, &a->run.lanes);
	case OPTION_DISPATCH:
		return take_number("dispatch-ms", value, 0, day_ms, &a->run.dispatch_ms);
	case OPTION_DEADLINE:
		return take_number("deadline-ms", value, 0, day_ms, &a->run.deadline_ms);
	case OPTION_PATIENCE:
		return take_number("patience-s", value, 1, 86400, &a->run.patience_s);
	case OPTION_LEASE:
		return take_number("lease-ms", value, 3000, 3600000, &a->run.lease_ms);
	case OPTION_FAULTS:
		if (provider_read_faults(value, &a->run.faults) == 0)
			return 0;
		complain("shop: --provider-faults `%s`: not SEED,SLOW%%,SLOW_MS,DECLINE%%,LATE%%",
			value);
		return -1;
	default:
		return -1; /* it was named */
	}
}

/* An empty variable is one that is not set. */
static const char *variable(const char *name, const char *otherwise)
{
	const char *text = getenv(name);

	if (text && *text)
		complain_hides(text);
	return text && *text ? text : otherwise;
}

int take_arguments(
	int argc, char **argv, const struct option *options, const char *usage, struct arguments *a)
{
	const char *lease = options == run_options ? variable("SHOP_LEASE_MS", NULL) : NULL;
	int code;

	*a = (struct arguments){ .stores = { variable("SHOP_STORE_ORDER", NULL),
					 variable("SHOP_STORE_PAYMENT", NULL),
					 variable("SHOP_STORE_STOCK", NULL) },
		.ledger = variable("SHOP_LEDGER", NULL),
		.token_file = variable("SHOP_TOKEN_FILE", NULL),
		.drive = { .order_url = variable("SHOP_ORDER_URL", "http://127.0.0.1:8081"),
			.stock_url = variable("SHOP_STOCK_URL", "http://127.0.0.1:8083"),
			.in_flight = 16 },
		.run = { .restock = 50,
			.lanes = 1,
			.dispatch_ms = 200,
			.deadline_ms = 60000,
			.patience_s = 120,
			.faults = { .seed = 1,
				.slow_percent = 5,
				.slow_ms = 20,
				.decline_percent = 1,
				.late_percent = 3 } } };
	if (lease && take_option(OPTION_LEASE, lease, a) != 0)
		return -1;
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (code == OPTION_HELP) {
			fputs(usage, stdout);
			return 1;
		}
		if (code == ':' || code == '?') {
			complain_option("shop", argv[optind - 1], code == ':');
			return -1;
		}
		if (take_option(code, optarg, a) != 0)
			return -1;
	}
	if (optind < argc)
		a->ref = argv[optind++];
	if (optind < argc) {
		complain("shop: `%s` is too much", argv[optind]);
		return -1;
	}
	return 0;
}
