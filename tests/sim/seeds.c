/* Seeds by hand: seeds FROM TO [FAULTS [ORDERS [INSTANCES]]]; SAGA_SIM_TRACE=1 shows them. */

#include "small.h"

#include <stdio.h>
#include <stdlib.h>

int main(int count, char **words)
{
	unsigned long long from = count > 1 ? strtoull(words[1], NULL, 0) : 1;
	unsigned long long to = count > 2 ? strtoull(words[2], NULL, 0) : from;
	unsigned faults = count > 3 ? (unsigned)strtoul(words[3], NULL, 0) : SAGA_SIM_ALL;
	int orders = count > 4 ? atoi(words[4]) : 20, bad = 0;
	unsigned instances = count > 5 ? (unsigned)strtoul(words[5], NULL, 0) : 1;

	for (unsigned long long seed = from; seed <= to; seed++) {
		static struct small small;
		saga_sim_report report = { .size = sizeof report };
		char text[300];
		const char *wrong;
		int code;

		small = (struct small){ .answers = 0 };
		code = small_run(&small,
			&(struct small_plan){
				.sim = { .seed = seed, .faults = faults, .instances = instances },
				.orders = orders,
				.over_ms = 30000 });
		wrong = code == SAGA_OK ? small_audit(&small, orders, text, sizeof text)
					: small.error.text;
		saga_sim_report_of(small.sim, &report);
		if (wrong || from == to)
			printf("%llu: %s; hash %016llx, faults %04x, %llu struck, %llu happenings, "
			       "%llu events, %llu commits, %llu frames, %llu crashes, %lld ms\n",
				seed, wrong ? wrong : "ok", (unsigned long long)report.hash,
				report.faults, (unsigned long long)report.struck,
				(unsigned long long)report.happenings,
				(unsigned long long)report.events,
				(unsigned long long)report.commits,
				(unsigned long long)report.frames,
				(unsigned long long)report.crashes, (long long)report.ms);
		bad += wrong != NULL;
		small_end(&small);
	}
	printf("%d of %llu bad\n", bad, to - from + 1);
	return bad != 0;
}
