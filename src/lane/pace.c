/* How large the batches of a participant's lanes may be. */

#include "inside.h"

enum {
	CALM_FIRST = 64,
	CALM_MOST = 8192
};

/*
 * Smaller batches hold fewer rows that others want. A loss may cost a second (a server looks for
 * deadlocks no sooner), so larger ones are tried again only after many that lost to nobody.
 */
void saga__pace_slow_down(struct saga__pace *pace, size_t ceiling)
{
	size_t wanted = __atomic_load_n(&pace->calm_wanted, __ATOMIC_RELAXED);

	wanted = wanted < CALM_FIRST ? CALM_FIRST : wanted < CALM_MOST ? 2 * wanted : wanted;
	__atomic_store_n(&pace->calm, 0, __ATOMIC_RELAXED);
	if (ceiling < __atomic_load_n(&pace->ceiling, __ATOMIC_RELAXED)) {
		__atomic_store_n(&pace->calm_wanted, wanted, __ATOMIC_RELAXED);
		__atomic_store_n(&pace->ceiling, ceiling, __ATOMIC_RELAXED);
	}
}

/* Two lanes that raise it at once raise it by less than one could: that is fine. */
size_t saga__pace_speed_up(struct saga__pace *pace, size_t most)
{
	size_t ceiling = __atomic_load_n(&pace->ceiling, __ATOMIC_RELAXED);

	if (ceiling >= most)
		return most;
	if (__atomic_add_fetch(&pace->calm, 1, __ATOMIC_RELAXED) <
		__atomic_load_n(&pace->calm_wanted, __ATOMIC_RELAXED))
		return ceiling;
	__atomic_store_n(&pace->calm, 0, __ATOMIC_RELAXED);
	ceiling += ceiling / 4 + 1;
	if (ceiling >= most) {
		ceiling = most;
		__atomic_store_n(&pace->calm_wanted, 0, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&pace->ceiling, ceiling, __ATOMIC_RELAXED);
	return ceiling;
}
