/* Only in the build of tests/sim. */
#include "mutation.h"

_Thread_local enum saga__mutant saga__mutant;
