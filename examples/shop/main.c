/* The whole shop in one program: run it, audit it, trace an order. */
#include "arguments.h"
#include "audit.h"
#include "complain.h"
#include "secret.h"
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
	"usage: shop run|audit|trace|drive [OPTION]...   (shop run --help says more)\n";

/* ---- where things are ---- */

static int set_path(char path[1024], const char *given, const char *format, const char *directory)
{
	if (given)
		return secret_read("shop", given, path, 1024);
	if (snprintf(path, 1024, format, directory) < 1024)
		return 0;
	complain("shop: `%s`: too long", directory);
	return -1;
}

static int set_stores(struct arguments *a)
{
	struct shop_stores *stores = &a->run.stores;

	if (set_path(stores->order, a->stores[0], "sqlite:%s/order.db", a->data) != 0 ||
		set_path(stores->payment, a->stores[1], "sqlite:%s/payment.db", a->data) != 0 ||
		set_path(stores->stock, a->stores[2], "sqlite:%s/stock.db", a->data) != 0)
		return -1;
	return set_path(stores->ledger, a->ledger, "%s/provider.db", a->data);
}

static int make_data(struct arguments *a, char made[64])
{
	if (a->data && (mkdir(a->data, 0700) == 0 || errno == EEXIST))
		return 0;
	if (!a->data) {
		snprintf(made, 64, "/tmp/shop-XXXXXX");
		a->data = mkdtemp(made);
		if (a->data) {
			complain("shop: the databases are in %s", a->data);
			return 0;
		}
	}
	complain("shop: %s: %s", a->data ? a->data : made, strerror(errno));
	return -1;
}

/* A shop that never ran would be an empty file made by looking at it. */
static int find_data(struct arguments *a)
{
	bool is_all_named = a->stores[0] && a->stores[1] && a->stores[2] && a->ledger;

	if (!a->data && !is_all_named) {
		complain("shop: --data is missing (or all stores and --ledger)");
		return -1;
	}
	if (set_stores(a) != 0)
		return -1;
	if (access(a->run.stores.ledger, R_OK) != 0) {
		complain("shop: %s: no shop ran here: %s", a->run.stores.ledger, strerror(errno));
		return -1;
	}
	return 0;
}

/* ---- the commands ---- */

static void print_json(const struct audit *audit, const struct run_result *result)
{
	printf("{\"orders\":%zu,\"refused\":%zu,\"completed\":%zu,\"fulfilled\":%zu,"
	       "\"cancelled\":%zu,\"dead\":%zu,\"violations\":%zu,\"seconds\":%.3f}\n",
		audit->orders, result->refused, audit->completed, audit->fulfilled,
		audit->cancelled, audit->dead, audit->violations, result->seconds);
}

static int audit_and_tell(struct arguments *a, const struct run_result *result)
{
	struct reader reader = reads_of(&a->run.stores);
	struct audit audit;
	saga_error error;

	if (audit_shop(&reader, stdout, &audit, &error) != SAGA_OK) {
		complain("shop: audit: %s", error.text);
		return 1;
	}
	audit_print(&audit, stdout);
	if (a->json)
		print_json(&audit, result);
	return audit.violations ? 1 : 0;
}

static int command_run(struct arguments *a)
{
	struct run_result result;
	char made[64];
	int code;

	if (a->ref || !a->run.orders || !a->run.products) {
		if (a->ref)
			complain("shop: `%s` is too much", a->ref);
		else
			complain("shop: --%s is missing", a->run.orders ? "products" : "orders");
		return 2;
	}
	if (make_data(a, made) != 0 || set_stores(a) != 0 || run_shop(&a->run, &result) != 0)
		return 1;
	if (result.is_interrupted)
		return 1;
	printf("%zu lines refused, %zu orders were there already, %.1f s\n", result.refused,
		result.repeated, result.seconds);
	code = audit_and_tell(a, &result);
	return result.is_cut_short ? 1 : code;
}

static int command_audit(struct arguments *a)
{
	if (a->ref) {
		complain("shop: `%s` is too much", a->ref);
		return 2;
	}
	return find_data(a) == 0 ? audit_and_tell(a, &(struct run_result){ 0 }) : 2;
}

static int command_trace(struct arguments *a)
{
	saga_error error;

	if (!a->ref) {
		complain("shop: the order's REF is missing");
		return 2;
	}
	if (find_data(a) != 0)
		return 2;
	if (trace_order(&a->run.stores, a->ref, stdout, &error) == SAGA_OK)
		return 0;
	complain("shop: trace: %s", error.text);
	return 1;
}

static int read_token(struct arguments *a, char token[512])
{
	FILE *file;

	a->drive.token = getenv("SHOP_TOKEN");
	if (!a->token_file && a->drive.token && *a->drive.token == '@') {
		if (secret_read("shop", a->drive.token, token, 512) != 0)
			return -1;
		a->drive.token = token;
	}
	if (!a->token_file)
		return 0;
	file = fopen(a->token_file, "r");
	a->drive.token = file ? fgets(token, 512, file) : NULL;
	if (file)
		fclose(file);
	token[a->drive.token ? strcspn(token, "\r\n") : 0] = '\0';
	if (a->drive.token)
		return 0;
	complain("shop: --token-file `%s`: can't be read", a->token_file);
	return -1;
}

static int command_drive(struct arguments *a)
{
	char token[512];

	if (a->ref || !a->run.orders) {
		complain("shop: %s%s", a->ref ? a->ref : "--orders is missing",
			a->ref ? " is too much" : "");
		return 2;
	}
	if (read_token(a, token) != 0)
		return 2;
	a->drive.orders = a->run.orders;
	a->drive.products = a->run.products;
	a->drive.patience_s = a->run.patience_s;
	a->drive.json = a->json != 0;
	return drive(&a->drive);
}

struct command {
	const char *name;
	enum command_kind kind;
	int (*run)(struct arguments *a);
};

static const struct command commands[] = {
	{ "run", COMMAND_RUN, command_run },
	{ "audit", COMMAND_AUDIT, command_audit },
	{ "trace", COMMAND_TRACE, command_trace },
	{ "drive", COMMAND_DRIVE, command_drive },
};

int main(int argc, char **argv)
{
	struct arguments a;

	complain_hides_all(argc, argv);
	for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++) {
		int code;

		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		argv[1] = argv[0]; /* the name that getopt says */
		code = take_arguments(argc - 1, argv + 1, commands[i].kind, &a);
		if (code == 0)
			return commands[i].run(&a);
		if (code < 0)
			complain("shop: try shop %s --help", commands[i].name);
		return code < 0 ? 2 : 0;
	}
	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		fputs(help, stdout);
		return 0;
	}
	complain("shop: %s%s", argc > 1 ? "no such command: " : "no command",
		argc > 1 ? argv[1] : "");
	fputs(help, stderr);
	return 2;
}
