// Reads the clocks and the kernel's accounting of the calling thread.
#include "clocks.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#if defined(__linux__)
#include <sys/syscall.h>
#elif defined(__FreeBSD__)
#include <pthread_np.h>
#endif

namespace underloop::blocking {
namespace {

uint64_t ReadClock(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

uint64_t MonotonicNs() { return ReadClock(CLOCK_MONOTONIC); }
uint64_t ThreadCpuNs() { return ReadClock(CLOCK_THREAD_CPUTIME_ID); }

uint32_t ThreadId() {
#if defined(__linux__)
  return static_cast<uint32_t>(syscall(SYS_gettid));
#elif defined(__APPLE__)
  uint64_t id = 0;
  pthread_threadid_np(nullptr, &id);
  return static_cast<uint32_t>(id);
#else
  return static_cast<uint32_t>(pthread_getthreadid_np());
#endif
}

int OpenSchedstat() { return open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC); }

uint64_t ReadRunDelayNs(int schedstat_fd) {
  // "cpu_ns run_delay_ns timeslices" (Documentation/scheduler/sched-stats).
  char text[96];
  const ssize_t n = schedstat_fd < 0 ? -1 : pread(schedstat_fd, text, sizeof text - 1, 0);
  if (n <= 0) return 0;
  text[n] = '\0';
  char* after_cpu = nullptr;
  strtoull(text, &after_cpu, 10);
  return strtoull(after_cpu, nullptr, 10);
}

uint64_t RunDelayNs() {
  const int fd = OpenSchedstat();
  const uint64_t run_delay_ns = ReadRunDelayNs(fd);
  if (fd >= 0) close(fd);
  return run_delay_ns;
}

}  // namespace underloop::blocking
