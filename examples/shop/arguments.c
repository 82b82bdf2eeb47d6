#include "arguments.h"

#include "settings.h"

#include <stdio.h>
#include <stdlib.h>

static const struct settings_of commands[] = {
	[COMMAND_RUN] = { .usage = "shop run --orders FILE --products FILE [OPTION]...",
		.about = "Places the orders, lets the shop run out, and audits it. What an earlier "
			 "run with the same\n--data has done is not done again.",
		.ending = "Exits 0 with no violations, 1 with some or when it could not run out, "
			  "2 for wrong use.\n" },
	[COMMAND_AUDIT] = { .usage = "shop audit [OPTION]...",
		.about = "Proves from the databases and the provider's ledger that every order "
			 "ended well or was taken\nback whole, and names each breach.",
		.ending = "A URL may be @FILE, its first line. A flag wins over its variable. "
			  "Exits 1 if there is a\nbreach, 2 for wrong use.\n" },
	[COMMAND_TRACE] = { .usage = "shop trace [OPTION]... REF",
		.about = "Tells one order's story, event by event, with times.",
		.ending = "A URL may be @FILE, its first line. A flag wins over its variable. "
			  "Exits 1 if there is no\nsuch order, 2 for wrong use.\n" },
	[COMMAND_DRIVE] = { .usage = "shop drive --orders FILE [OPTION]...",
		.about = "Sends an orders file to the services by HTTP, asks again until each line "
			 "is answered, and waits\nuntil all orders have ended. It sends no line "
			 "that an earlier run has sent.",
		.ending =
			"The variable SHOP_TOKEN holds the bearer token itself, or @FILE. Exits "
			"0 when all was answered\nand has ended, 1 when not, 2 for wrong use.\n" },
};

/* An empty variable is one that is not set. */
static const char *variable(const char *name, const char *otherwise)
{
	const char *text = getenv(name);

	if (text && *text)
		complain_hides(text);
	return text && *text ? text : otherwise;
}

static void set_defaults(struct arguments *a)
{
	*a = (struct arguments){
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
				.late_percent = 3 } }
	};
}

#define TEXT(name_, value_, at_, help_) \
	{ \
		.name = name_, .value = value_, .help = help_, .text = at_ \
	}
#define NUMBER(name_, at_, least_, most_, help_) \
	{ \
		.name = name_, .value = "N", .help = help_, .number = at_, .least = least_, \
		.most = most_ \
	}
#define FLAG(name_, at_, help_) \
	{ \
		.name = name_, .help = help_, .number = at_, .least = 1, .most = 1 \
	}

int take_arguments(int argc, char **argv, enum command_kind kind, struct arguments *a)
{
	const int64_t day_ms = 86400000;
	struct run_settings *run = &a->run;
	struct settings_of of = commands[kind];
	const struct setting orders[] = {
		TEXT("orders", "FILE", &run->orders,
			"NDJSON; a line's \"op\" is place (default), amend, cancel, deliver"),
		TEXT("products", "FILE", &run->products,
			"NDJSON; drive: refuses other products, and knows their prices"),
		NUMBER("patience-s", &run->patience_s, 1, 86400,
			"gives up when nothing goes on for so many seconds"),
		FLAG("json", &a->json, "the summary as JSON too, as the last line"),
		{ .name = NULL },
	};
	const struct setting data[] = {
		TEXT("data", "DIR", &a->data,
			"the databases (shop run: a new directory, named on stderr)"),
		{ .name = NULL },
	};
	const struct setting runs[] = {
		TEXT("credit", "FILE", &run->credit,
			"NDJSON {\"customer\": \"*\" for all others, \"credit_cents\"}"),
		TEXT("carrier", "FILE", &run->carrier, "NDJSON {\"excluded\": COUNTRY}"),
		NUMBER("restock", &run->restock, 0, 1000000,
			"multiplies units_in_stock when a shop begins"),
		NUMBER("lanes", &run->lanes, 0, 64, "threads a service; 0: all on the loop"),
		NUMBER("dispatch-ms", &run->dispatch_ms, 0, day_ms,
			"from paid to shipped: the time to cancel or amend in"),
		NUMBER("deadline-ms", &run->deadline_ms, 0, day_ms,
			"an order that is not paid by then expires"),
		TEXT("provider-faults", "SEED,SLOW%,SLOW_MS,DECLINE%,LATE%", &a->faults,
			"of the payment provider's answers; unset: 1,5,20,1,3"),
		{ .name = NULL },
	};
	const struct setting looks[] = {
		FLAG("json", &a->json, "the summary as JSON too, as the last line"),
		{ .name = NULL },
	};
	const struct setting drives[] = {
		TEXT("url", "URL", &a->drive.order_url, "the order service, or SHOP_ORDER_URL"),
		TEXT("stock-url", "URL", &a->drive.stock_url,
			"the stock service, or SHOP_STOCK_URL"),
		NUMBER("in-flight", &a->drive.in_flight, 1, 256, "orders at once"),
		{ .name = NULL },
	};
	const struct setting *const flags[][4] = {
		[COMMAND_RUN] = { orders, data, runs, NULL },
		[COMMAND_AUDIT] = { data, looks, NULL },
		[COMMAND_TRACE] = { data, looks, NULL },
		[COMMAND_DRIVE] = { orders, drives, NULL },
	};
	const struct setting stores[] = {
		TEXT("store-order", "URL", &a->stores[0], "another database than DIR/order.db"),
		TEXT("store-payment", "URL", &a->stores[1], "another database than DIR/payment.db"),
		TEXT("store-stock", "URL", &a->stores[2], "another database than DIR/stock.db"),
		{ .name = NULL },
	};
	const struct setting ledger[] = {
		TEXT("ledger", "FILE", &a->ledger,
			"another ledger of the provider than DIR/provider.db"),
		{ .name = NULL },
	};
	const struct setting lease[] = {
		NUMBER("lease-ms", &run->lease_ms, 3000, 3600000,
			"of each service in its store, whose answer may take half of it, 10 s at "
			"most;\n      unset: 15000, or 3000 where the store is SQLite"),
		{ .name = NULL },
	};
	const struct setting token[] = {
		TEXT("token-file", "FILE", &a->token_file, "the bearer token, its first line"),
		{ .name = NULL },
	};
	const struct setting *const tables[][3] = {
		[COMMAND_RUN] = { stores, lease, NULL },
		[COMMAND_AUDIT] = { stores, ledger, NULL },
		[COMMAND_TRACE] = { stores, ledger, NULL },
		[COMMAND_DRIVE] = { token, NULL },
	};
	int code;

	of.program = "shop";
	of.prefix = "SHOP";
	of.flags = flags[kind];
	of.operand = kind == COMMAND_TRACE ? &a->ref : NULL;
	set_defaults(a);
	if ((code = settings_read(&of, tables[kind], argc, argv)) != 0)
		return code;
	if (!a->faults || provider_read_faults(a->faults, &run->faults) == 0)
		return 0;
	complain("shop: --provider-faults `%s`: not SEED,SLOW%%,SLOW_MS,DECLINE%%,LATE%%",
		a->faults);
	return -1;
}
