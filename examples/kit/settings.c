#include "settings.h"

#include "complain.h"

#include <saga/plugin.h>

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MOST = 32 /* settings of a program */
};

struct all {
	const char *program;
	const struct setting *settings[MOST];
	size_t count;
};

static void variable_of(const struct setting *setting, char variable[64])
{
	size_t size = (size_t)snprintf(variable, 64, "SHOP_%s", setting->name);

	for (size_t i = 5; i < size && i < 63; i++)
		variable[i] = variable[i] == '-' ? '_' : (char)toupper((unsigned char)variable[i]);
}

static int take(
	const struct all *all, const struct setting *setting, const char *called, const char *text)
{
	char *end;
	long long number;

	if (setting->text) {
		*setting->text = text;
		return 0;
	}
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || end == text || *end || number < setting->least || number > setting->most) {
		complain("%s: %s `%s`: not a whole number from %" PRId64 " to %" PRId64 "",
			all->program, called, text, setting->least, setting->most);
		return -1;
	}
	*setting->number = number;
	return 0;
}

/* An empty variable is one that is not set. */
static int take_environment(const struct all *all)
{
	for (size_t i = 0; i < all->count; i++) {
		char variable[64];
		const char *text;

		variable_of(all->settings[i], variable);
		text = getenv(variable);
		if (text)
			complain_hides(text);
		if (text && *text && take(all, all->settings[i], variable, text) != 0)
			return -1;
	}
	return 0;
}

static void print_default(const struct setting *setting)
{
	if (setting->number)
		printf(" (%" PRId64 ")", *setting->number);
	else if (*setting->text) {
		char shown[256];

		snprintf(shown, sizeof shown, "%s", *setting->text);
		saga_redact(*setting->text, shown, sizeof shown);
		printf(" (%s)", shown);
	}
}

static void print_help(const struct all *all, const char *about)
{
	printf("usage: %s [OPTION]...\n%s\n", all->program, about);
	for (size_t i = 0; i < all->count; i++) {
		const struct setting *setting = all->settings[i];
		char variable[64];

		variable_of(setting, variable);
		printf("  --%s %s, %s\n      %s", setting->name, setting->value, variable,
			setting->help);
		print_default(setting);
		printf("\n");
	}
	printf("\nA flag wins over its variable. Exits 0 once it has drained after SIGTERM or "
	       "SIGINT,"
	       " 1 if it\ncould not go on or drain in time, 2 for wrong use.\n");
}

static int take_flags(const struct all *all, const char *about, int argc, char **argv)
{
	struct option options[MOST + 2] = { { "help", no_argument, NULL, 'h' } };
	char called[64];
	int code, at = 0;

	for (size_t i = 0; i < all->count; i++)
		options[i + 1] =
			(struct option){ all->settings[i]->name, required_argument, NULL, 0 };
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":", options, &at)) != -1) {
		if (code == 'h') {
			print_help(all, about);
			return 1;
		}
		if (code != 0) {
			complain_option(all->program, argv[optind - 1], code == ':');
			return -1;
		}
		snprintf(called, sizeof called, "--%s", all->settings[at - 1]->name);
		if (take(all, all->settings[at - 1], called, optarg) != 0)
			return -1;
	}
	if (optind == argc)
		return 0;
	complain("%s: `%s` is too much", all->program, argv[optind]);
	return -1;
}

int settings_read(const char *program, const char *about, const struct setting *const tables[],
	int argc, char **argv)
{
	struct all all = { .program = program };
	int code;

	complain_hides_all(argc, argv);
	for (; *tables; tables++)
		for (const struct setting *setting = *tables; setting->name && all.count < MOST;
			setting++)
			all.settings[all.count++] = setting;
	/* Help is help, whatever the environment says. */
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0) {
			print_help(&all, about);
			return 1;
		}
	code = take_environment(&all);
	return code == 0 ? take_flags(&all, about, argc, argv) : code;
}
