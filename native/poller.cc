// Chooses a poller by name, and the clock arithmetic that all of them share.
#include "poller.h"

#include <sys/stat.h>

#include <cerrno>
#include <cmath>
#include <ctime>

namespace underloop {

#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__) || \
    defined(__DragonFly__)
#define UNDERLOOP_HAVE_KQUEUE 1
#endif

std::vector<std::string_view> PollerKinds() {
  std::vector<std::string_view> kinds;
#ifdef __linux__
  kinds.push_back("epoll");
#endif
#ifdef UNDERLOOP_HAVE_KQUEUE
  kinds.push_back("kqueue");
#endif
  kinds.push_back("poll");
  kinds.push_back("select");
  return kinds;
}

std::unique_ptr<Poller> OpenPoller(std::string_view kind, int* error) {
#ifdef __linux__
  if (kind == "epoll") return OpenEpoll(error);
#endif
#ifdef UNDERLOOP_HAVE_KQUEUE
  if (kind == "kqueue") return OpenKqueue(error);
#endif
  if (kind == "poll") return OpenPoll(error);
  if (kind == "select") return OpenSelect(error);
  *error = -ENOTSUP;
  return nullptr;
}

int CheckPollable(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) return -errno;
  // poll(2) and select(2) call these always ready. Like epoll we refuse them, for the answer would mislead.
  if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode)) return -EPERM;
  struct stat null;
  if (S_ISCHR(status.st_mode) && stat("/dev/null", &null) == 0 && status.st_rdev == null.st_rdev)
    return -EPERM;
  return 0;
}

double MonotonicMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

timespec ToTimespec(double timeout_ms) {
  // A wait of more than 24 days is cut to that; the reactor simply waits again.
  if (timeout_ms > 2147483647.0) timeout_ms = 2147483647.0;
  const double seconds = std::floor(timeout_ms / 1e3);
  double ns = std::ceil((timeout_ms - seconds * 1e3) * 1e6);
  const bool carry = ns >= 1e9;
  if (carry) ns = 0;
  timespec result;
  result.tv_sec = static_cast<time_t>(seconds) + (carry ? 1 : 0);
  result.tv_nsec = static_cast<long>(ns);
  return result;
}

}  // namespace underloop
