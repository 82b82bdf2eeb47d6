#include "settings.h"

#include <saga/plugin.h>

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct all {
	const struct settings_of *of;
	const struct setting **settings;
	size_t count, flags; /* the first of them are flags alone */
};

enum {
	VARIABLE_SIZE = 96
};

static void variable_of(
	const struct all *all, const struct setting *setting, char variable[VARIABLE_SIZE])
{
	size_t before = strlen(all->of->prefix) + 1;

	(void)snprintf(variable, VARIABLE_SIZE, "%s_%s", all->of->prefix, setting->name);
	assert(before + strlen(setting->name) < VARIABLE_SIZE);
	for (char *at = variable + before; *at; at++)
		*at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
}

static bool takes_value(const struct setting *setting)
{
	return setting->text || setting->least < setting->most;
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
	if (!text) {
		*setting->number = setting->most;
		return 0;
	}
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || end == text || *end || number < setting->least || number > setting->most) {
		complain("%s: %s `%s`: not a whole number from %" PRId64 " to %" PRId64 "",
			all->of->program, called, text, setting->least, setting->most);
		return -1;
	}
	*setting->number = number;
	return 0;
}

/* An empty variable is one that is not set. */
static int take_environment(const struct all *all)
{
	for (size_t i = all->flags; i < all->count; i++) {
		char variable[VARIABLE_SIZE];
		const char *text;

		variable_of(all, all->settings[i], variable);
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
	if (!takes_value(setting) || (setting->number && *setting->number < setting->least))
		return;
	if (setting->number)
		printf(" (%" PRId64 ")", *setting->number);
	else if (*setting->text) {
		char shown[256];

		snprintf(shown, sizeof shown, "%s", *setting->text);
		saga_redact(*setting->text, shown, sizeof shown);
		printf(" (%s)", shown);
	}
}

static void print_help(const struct all *all)
{
	if (all->of->usage)
		printf("usage: %s\n%s\n\n", all->of->usage, all->of->about);
	else
		printf("usage: %s [OPTION]...\n%s\n", all->of->program, all->of->about);
	for (size_t i = 0; i < all->count; i++) {
		const struct setting *setting = all->settings[i];
		char variable[VARIABLE_SIZE];

		printf("  --%s%s%s", setting->name, takes_value(setting) ? " " : "",
			takes_value(setting) ? setting->value : "");
		if (i >= all->flags) {
			variable_of(all, setting, variable);
			printf(", %s", variable);
		}
		printf("\n      %s", setting->help);
		print_default(setting);
		printf("\n");
	}
	printf("%s", all->of->more ? all->of->more : "");
	if (all->of->ending)
		printf("\n%s", all->of->ending);
	else
		printf("\nA flag wins over its variable. Exits 0 once it has drained after SIGTERM "
		       "or SIGINT, 1 if it\ncould not go on or drain in time, 2 for wrong "
		       "use.\n");
}

/* `options` has room for --help and the end beside all settings. */
static int take_flags(const struct all *all, struct option *options, int argc, char **argv)
{
	char called[64];
	int code, at = 0;

	options[0] = (struct option){ "help", no_argument, NULL, 'h' };
	for (size_t i = 0; i < all->count; i++)
		options[i + 1] = (struct option){ all->settings[i]->name,
			takes_value(all->settings[i]) ? required_argument : no_argument, NULL, 0 };
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":", options, &at)) != -1) {
		if (code == 'h') {
			print_help(all);
			return 1;
		}
		if (code != 0) {
			complain_option(all->of->program, argv[optind - 1], code == ':');
			return -1;
		}
		snprintf(called, sizeof called, "--%s", all->settings[at - 1]->name);
		if (take(all, all->settings[at - 1], called, optarg) != 0)
			return -1;
	}
	if (optind < argc && all->of->operand)
		*all->of->operand = argv[optind++];
	if (optind == argc)
		return 0;
	complain("%s: `%s` is too much", all->of->program, argv[optind]);
	return -1;
}

static int take_all(const struct all *all, int argc, char **argv)
{
	struct option *options;
	int code;

	/* --help helps, whatever the environment says. */
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0) {
			print_help(all);
			return 1;
		}
	if ((code = take_environment(all)) != 0)
		return code;
	if (!(options = calloc(all->count + 2, sizeof *options)))
		return complain("%s: out of memory", all->of->program), -1;
	code = take_flags(all, options, argc, argv);
	free(options);
	return code;
}

static size_t count_settings(const struct setting *const tables[])
{
	size_t count = 0;

	for (; *tables; tables++)
		for (const struct setting *setting = *tables; setting->name; setting++)
			count++;
	return count;
}

static void add(struct all *all, const struct setting *const tables[])
{
	for (; *tables; tables++)
		for (const struct setting *setting = *tables; setting->name; setting++)
			all->settings[all->count++] = setting;
}

int settings_read(
	const struct settings_of *of, const struct setting *const tables[], int argc, char **argv)
{
	static const struct setting *const none[] = { NULL };
	const struct setting *const *flags = of->flags ? of->flags : none;
	struct all all = { .of = of };
	int code;

	complain_hides_all(argc, argv);
	all.settings =
		calloc(count_settings(flags) + count_settings(tables) + 1, sizeof *all.settings);
	if (!all.settings)
		return complain("%s: out of memory", of->program), -1;
	add(&all, flags);
	all.flags = all.count;
	add(&all, tables);
	code = take_all(&all, argc, argv);
	free(all.settings);
	return code;
}
