// What one thread's work is measured with: clocks, the thread's id, and how long it was runnable without running.
#pragma once

#include <cstdint>

namespace underloop::blocking {

// CLOCK_MONOTONIC, as everybody else's stamps.
uint64_t MonotonicNs();
// CPU that the calling thread has used, user and system.
uint64_t ThreadCpuNs();
// The system's id of the calling thread.
uint32_t ThreadId();
// Opens the calling thread's schedstat, to be read again and again; -1 where there is none.
int OpenSchedstat();
// Nanoseconds that the thread of an open schedstat has waited on a run queue; 0 where the system does not say.
uint64_t ReadRunDelayNs(int schedstat_fd);
// The same for the calling thread, once. Holds no descriptor in between: ten thousand threads have none to spare.
uint64_t RunDelayNs();

}  // namespace underloop::blocking
