#ifndef SAGA_STEP_NAMED_H
#define SAGA_STEP_NAMED_H

/* Notes, questions and answers as the store keeps them: the shape's name, then the body. */

#include "../event/envelope.h"

int saga__named_encode(
	struct saga__buffer *buffer, const saga_shape *shape, const void *body, saga_error *error);

/* NULL: nothing there, of another shape, or not to be read. */
const void *saga__named_decode(struct saga__decoder *decoder, struct saga__arena *arena,
	saga_bytes named, const saga_shape *shape);

#endif
