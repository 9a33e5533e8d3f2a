// Makes, reads and writes descriptors of every pollable kind: pipes, eventfd, timerfd, signalfd, inotify, pidfd, pty,
// netlink. What a system lacks answers -ENOSYS. All are non-blocking and closed on exec.
#include <fcntl.h>
#include <napi.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>

#include "environment.h"

#ifdef __linux__
#include <linux/netlink.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#endif

namespace underloop {
namespace {

napi_value OrError(napi_env env, int result) { return Result(env, result >= 0 ? result : -errno); }

// The same for a call that makes a descriptor.
template <size_t N>
napi_value Made(napi_env env, const Arguments<N>& arguments, int fd) {
  return Result(env, arguments.environment->descriptors.Opened(fd >= 0 ? fd : -errno));
}

// (fd, bytes, start, length) => n
template <bool kWrite>
napi_value Transfer(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  const int32_t length = arguments.Int(3);
  uint8_t* data = Bytes(env, arguments.values[1], arguments.Int(2), length);
  if (data == nullptr) return Result(env, -EFAULT);
  const int fd = arguments.Int(0);
  ssize_t n;
  do {
    n = kWrite ? write(fd, data, static_cast<size_t>(length)) : read(fd, data, static_cast<size_t>(length));
  } while (n < 0 && errno == EINTR);
  return OrError(env, static_cast<int>(n));
}

// (ends: Int32Array) => 0 or -errno; ends[0] reads, ends[1] writes
napi_value Pipe(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, arguments.values[0], &type, &length, &data, nullptr, nullptr) !=
          napi_ok ||
      type != napi_int32_array || length < 2) {
    return Result(env, -EINVAL);
  }
  int ends[2];
#ifdef __APPLE__
  if (pipe(ends) != 0) return Result(env, -errno);
  for (int fd : ends) fcntl(fd, F_SETFD, FD_CLOEXEC), fcntl(fd, F_SETFL, O_NONBLOCK);
#else
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return Result(env, -errno);
#endif
  for (int i = 0; i < 2; i++)
    static_cast<int32_t*>(data)[i] = arguments.environment->descriptors.Opened(ends[i]);
  return Result(env, 0);
}

napi_value Duplicate(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  return Made(env, arguments, fcntl(arguments.Int(0), F_DUPFD_CLOEXEC, 0));
}

// (fd) => 0, -EWOULDBLOCK when another open file has it, or -errno; flock(2). The kernel lets go when the last duplicate of fd
// is closed, by whatever end of its process.
napi_value LockFile(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  return OrError(env, flock(arguments.Int(0), LOCK_EX | LOCK_NB));
}

napi_value SetNonBlocking(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const int flags = fcntl(arguments.Int(0), F_GETFL);
  if (flags < 0) return Result(env, -errno);
  return OrError(env, fcntl(arguments.Int(0), F_SETFL, flags | O_NONBLOCK));
}

// () => the master's fd of a new pseudo-terminal
napi_value OpenPty(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const int fd = posix_openpt(O_RDWR | O_NOCTTY);
  if (fd < 0) return Result(env, -errno);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  if (grantpt(fd) != 0 || unlockpt(fd) != 0) {
    const int error = -errno;
    close(fd);
    return Result(env, error);
  }
  return Made(env, arguments, fd);
}

// (master) => the slave's fd
napi_value OpenPtySlave(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const char* name = ptsname(arguments.Int(0));
  if (name == nullptr) return Result(env, -errno);
  return Made(env, arguments, open(name, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
}

#ifdef __linux__

napi_value EventFd(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  return Made(env, arguments, eventfd(static_cast<unsigned>(arguments.Int(0)), EFD_CLOEXEC | EFD_NONBLOCK));
}

// (firstMs, intervalMs): CLOCK_MONOTONIC; an interval of 0 fires once
napi_value TimerFd(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (fd < 0) return Result(env, -errno);
  itimerspec setting{};
  setting.it_value = ToTimespec(arguments.Double(0));
  setting.it_interval = ToTimespec(arguments.Double(1));
  if (timerfd_settime(fd, 0, &setting, nullptr) != 0) {
    const int error = -errno;
    close(fd);
    return Result(env, error);
  }
  return Made(env, arguments, fd);
}

// (fd, firstMs): sets it anew, once; what had expired is forgotten. 0 disarms it (timerfd_settime(2)).
napi_value TimerFdSet(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  itimerspec setting{};
  setting.it_value = ToTimespec(arguments.Double(1));
  return OrError(env, timerfd_settime(arguments.Int(0), 0, &setting, nullptr));
}

// (signal): blocks the signal in this thread and gives a descriptor that reports it. Other threads of the process
// may still take it (signalfd(2)).
napi_value SignalFd(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  sigset_t set;
  sigemptyset(&set);
  if (sigaddset(&set, arguments.Int(0)) != 0) return Result(env, -errno);
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) return Result(env, -error);
  return Made(env, arguments, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

// (path, mask) => fd watching that one path
napi_value Inotify(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const std::string path = Napi::Value(env, arguments.values[0]).ToString();
  const int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0) return Result(env, -errno);
  if (inotify_add_watch(fd, path.c_str(), static_cast<uint32_t>(arguments.Int(1))) < 0) {
    const int error = -errno;
    close(fd);
    return Result(env, error);
  }
  return Made(env, arguments, fd);
}

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
// (pid) => readable when the process has ended. Always close-on-exec (pidfd_open(2)).
napi_value PidFd(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  return Made(env, arguments, static_cast<int>(syscall(SYS_pidfd_open, arguments.Int(0), 0)));
}

// () => a route netlink socket subscribed to link changes
napi_value Netlink(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd < 0) return Result(env, -errno);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1;  // RTMGRP_LINK
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const int error = -errno;
    close(fd);
    return Result(env, error);
  }
  return Made(env, arguments, fd);
}

#else

napi_value Missing(napi_env env, napi_callback_info) { return Result(env, -ENOSYS); }
constexpr napi_callback EventFd = Missing, TimerFd = Missing, TimerFdSet = Missing, SignalFd = Missing,
                        Inotify = Missing, PidFd = Missing, Netlink = Missing;

#endif

}  // namespace

void ExportDescriptors(Environment* environment, napi_value exports) {
  Export(environment, exports, "read", Transfer<false>);
  Export(environment, exports, "write", Transfer<true>);
  Export(environment, exports, "pipe", Pipe);
  Export(environment, exports, "duplicate", Duplicate);
  Export(environment, exports, "setNonBlocking", SetNonBlocking);
  Export(environment, exports, "lockFile", LockFile);
  Export(environment, exports, "openPty", OpenPty);
  Export(environment, exports, "openPtySlave", OpenPtySlave);
  Export(environment, exports, "eventFd", EventFd);
  Export(environment, exports, "timerFd", TimerFd);
  Export(environment, exports, "timerFdSet", TimerFdSet);
  Export(environment, exports, "signalFd", SignalFd);
  Export(environment, exports, "inotify", Inotify);
  Export(environment, exports, "pidFd", PidFd);
  Export(environment, exports, "netlink", Netlink);
}

}  // namespace underloop
