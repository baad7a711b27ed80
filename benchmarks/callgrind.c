/* Tells callgrind when to start and stop counting. Outside valgrind these functions do nothing. */
#include <valgrind/callgrind.h>

void start_counting(void) {
    CALLGRIND_START_INSTRUMENTATION;
}

/* Dump first: stopping discards the counts that were not written. */
void stop_counting(void) {
    CALLGRIND_DUMP_STATS;
    CALLGRIND_STOP_INSTRUMENTATION;
}
