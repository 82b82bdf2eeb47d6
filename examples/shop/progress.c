#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum {
	BAR = 40,
	TERMINAL_EVERY_MS = 100,
	LINE_EVERY_MS = 1000
};

void progress_begin(struct progress *progress)
{
	*progress = (struct progress){ .is_terminal = isatty(STDERR_FILENO) == 1 };
}

static void show_bar(int64_t done, int64_t all)
{
	char bar[BAR + 1];
	int64_t full = all > 0 ? done * BAR / all : 0;

	for (int i = 0; i < BAR; i++)
		bar[i] = i < full ? '#' : '.';
	bar[BAR] = '\0';
	fprintf(stderr, "\r\033[K[%s] %" PRId64 " of %" PRId64 " orders ended", bar, done, all);
}

void progress_show(struct progress *progress, int64_t now_ms, int64_t done, int64_t all)
{
	int64_t every = progress->is_terminal ? TERMINAL_EVERY_MS : LINE_EVERY_MS;

	if (now_ms - progress->shown_at < every)
		return;
	progress->shown_at = now_ms;
	if (progress->is_terminal)
		show_bar(done, all);
	else
		fprintf(stderr, "shop: %" PRId64 " of %" PRId64 " orders ended\n", done, all);
}

void progress_end(struct progress *progress)
{
	if (progress->is_terminal)
		fputs("\r\033[K", stderr);
}
