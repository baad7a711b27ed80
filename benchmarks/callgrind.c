/* Tells callgrind from when to when it should count. Outside valgrind these do nothing. */
#include <valgrind/callgrind.h>

void start_counting(void) {
    CALLGRIND_START_INSTRUMENTATION;
}

/* What is not written before the end of the counting is lost with it. */
void stop_counting(void) {
    CALLGRIND_DUMP_STATS;
    CALLGRIND_STOP_INSTRUMENTATION;
}
