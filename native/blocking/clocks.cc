// Reads the clocks and the kernel's accounting of the calling thread, for C++ and for JavaScript.
#include "clocks.h"

#include <fcntl.h>
#include <napi.h>
#include <pthread.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#if defined(__linux__)
#include <sys/syscall.h>
#elif defined(__FreeBSD__)
#include <pthread_np.h>
#endif

#include "../environment.h"
#include "blocking.h"

namespace underloop {
namespace blocking {
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

namespace {

napi_value Number(napi_env env, uint64_t value) {
  napi_value result = nullptr;
  napi_create_double(env, static_cast<double>(value), &result);
  return result;
}

template <uint64_t (*Read)()>
napi_value ReadNumber(napi_env env, napi_callback_info) {
  return Number(env, Read());
}

napi_value ReadThreadId(napi_env env, napi_callback_info) { return Number(env, ThreadId()); }

// An environment is one thread for its whole life, so its file stays open.
napi_value ReadOwnRunDelayNs(napi_env env, napi_callback_info info) {
  const Arguments<0> arguments(env, info);
  Blocking& blocking = *arguments.environment->blocking;
  if (blocking.schedstat_fd == Blocking::kNotOpened) blocking.schedstat_fd = OpenSchedstat();
  return Number(env, ReadRunDelayNs(blocking.schedstat_fd));
}

}  // namespace

void ExportClocks(Environment* environment, napi_value exports) {
  Export(environment, exports, "monotonicNs", ReadNumber<MonotonicNs>);
  Export(environment, exports, "threadCpuNs", ReadNumber<ThreadCpuNs>);
  Export(environment, exports, "threadId", ReadThreadId);
  Export(environment, exports, "runDelayNs", ReadOwnRunDelayNs);
}

}  // namespace blocking
}  // namespace underloop
