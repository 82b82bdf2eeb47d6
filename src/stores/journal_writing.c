/* The statements of a batch gather here. */

#include "journal_writing.h"

#include <assert.h>

saga_value *saga__writing_add(
	struct saga__writing *w, const struct saga__texts *texts, size_t values)
{
	saga_value *at = &w->values[w->value_count];

	assert(w->count < w->room && values <= VALUES_MOST);
	w->texts[w->count] = texts;
	w->statements[w->count++] = (saga_statement){ texts->each, at, values };
	w->value_count += values;
	return at;
}
