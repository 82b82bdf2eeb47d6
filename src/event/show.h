#ifndef SAGA_EVENT_SHOW_H
#define SAGA_EVENT_SHOW_H

/*
 * Tells which characters may be shown as they are: a text of an event or a store may come from a
 * stranger, and a terminal obeys control characters. Logs, tables and JSON all ask here.
 */

#include <stdbool.h>
#include <stddef.h>

enum {
	SAGA__SHOWN_MOST = 16 /* bytes of one character as it is shown, without a NUL */
};

/*
 * Whether the character, of `step` bytes by saga__utf8_step, is one that a terminal or an editor
 * obeys instead of showing it: C0, DEL, C1, the line separators, and what turns the direction.
 */
bool saga__is_control(const void *at, size_t step);

/*
 * Writes the character at `at` as it may be shown: as it is, or, for a control character and for a
 * byte that is no UTF-8, each byte as `\xNN`. Answers how many bytes it wrote; *ret_step is how
 * many it read, at least 1.
 */
size_t saga__show(const void *at, size_t left, char shown[SAGA__SHOWN_MOST], size_t *ret_step);

#endif
