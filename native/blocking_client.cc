// The blocking client: connect, recv and send that hold up the calling thread, with limits of time.
#include <fcntl.h>
#include <napi.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "environment.h"

namespace underloop {
namespace {

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;  // macOS: SO_NOSIGPIPE is set on the socket
#endif

// When a call must end. In a worker it also comes up for air, for nothing else can interrupt it: Worker.terminate() waits
// until the thread asks.
class Limit {
 public:
  Limit(Environment* environment, double timeout_ms)
      : environment_(environment),
        timed_(timeout_ms >= 0),
        end_ms_(timed_ ? MonotonicMs() + timeout_ms : 0) {}

  // Neither a limit nor a worker: the system call may simply block.
  bool unlimited() const { return !timed_ && !environment_->terminable; }

  // Waits until `fd` is ready. 0, -ETIMEDOUT, -ECANCELED when the worker is being terminated, or -errno.
  int Wait(int fd, short events) const {
    for (;;) {
      double slice_ms = environment_->terminable ? kTerminableSliceMs : 3'600'000;
      if (timed_) slice_ms = std::min(slice_ms, std::max(end_ms_ - MonotonicMs(), 0.0));
      pollfd one = {fd, events, 0};
      // Rounded up: not to spin through the last fraction of a millisecond.
      const int ready = poll(&one, 1, static_cast<int>(std::ceil(slice_ms)));
      if (ready > 0) return 0;
      if (ready < 0 && errno != EINTR) return -errno;
      if (environment_->terminable && !RunsJavaScript(environment_)) return -ECANCELED;
      if (timed_ && MonotonicMs() >= end_ms_) return -ETIMEDOUT;
    }
  }

 private:
  Environment* environment_;
  bool timed_;
  double end_ms_;
};

int SetBlocking(int fd, bool blocking) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  return fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) == 0 ? 0 : -errno;
}

int Open(int family) {
#ifdef SOCK_CLOEXEC
  return socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
#else
  const int fd = socket(family, SOCK_STREAM, 0);
  if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
#ifdef SO_NOSIGPIPE
  const int on = 1;
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  return fd;
#endif
}

// A blocking connect cannot be given a limit everywhere (SO_SNDTIMEO bounds it on Linux alone): so it is begun without
// blocking and waited for.
int Connect(int fd, const sockaddr* address, socklen_t length, const Limit& limit) {
  if (limit.unlimited()) {
    if (connect(fd, address, length) == 0) return 0;
    if (errno != EINTR) return -errno;  // else it goes on by itself (connect(2))
  } else {
    const int error = SetBlocking(fd, false);
    if (error < 0) return error;
    if (connect(fd, address, length) == 0) return SetBlocking(fd, true);
    if (errno != EINPROGRESS && errno != EINTR) return -errno;
  }
  const int waited = limit.Wait(fd, POLLOUT);
  if (waited < 0) return waited;
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return -errno;
  return error != 0 ? -error : SetBlocking(fd, true);
}

// (family, host, port, timeoutMs) => fd or -errno
napi_value BlockingConnect(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  sockaddr_storage address;
  const int length =
      ReadAddress(env, arguments.values[0], arguments.values[1], arguments.values[2], &address);
  if (length < 0) return Result(env, length);
  const int fd = Open(address.ss_family);
  if (fd < 0) return Result(env, -errno);
  const Limit limit(arguments.environment, arguments.Double(3));
  const int error = Connect(fd, reinterpret_cast<sockaddr*>(&address), static_cast<socklen_t>(length), limit);
  if (error < 0) {
    close(fd);
    return Result(env, error);
  }
  return Result(env, arguments.environment->descriptors.Opened(fd));
}

// The bytes [start, start + length) of a Uint8Array; null when they do not lie in it.
uint8_t* Bytes(napi_env env, napi_value array, double start, double length) {
  napi_typedarray_type type;
  size_t size = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, array, &type, &size, &data, nullptr, nullptr) != napi_ok) return nullptr;
  if (type != napi_uint8_array || data == nullptr) return nullptr;
  if (start < 0 || length < 0 || start + length > static_cast<double>(size)) return nullptr;
  return static_cast<uint8_t*>(data) + static_cast<size_t>(start);
}

// (fd, bytes, start, length, timeoutMs) => bytes read, 0 at the end, or -errno
napi_value BlockingRead(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const int fd = arguments.Int(0);
  const double length = arguments.Double(3);
  uint8_t* bytes = Bytes(env, arguments.values[1], arguments.Double(2), length);
  if (bytes == nullptr) return Result(env, -EFAULT);
  const Limit limit(arguments.environment, arguments.Double(4));
  for (;;) {
    if (!limit.unlimited()) {
      const int waited = limit.Wait(fd, POLLIN);
      if (waited < 0) return Result(env, waited);
    }
    // A readiness may prove wrong (select(2), BUGS): then it is waited for again, and not for ever in here.
    const ssize_t n = recv(fd, bytes, static_cast<size_t>(length), limit.unlimited() ? 0 : MSG_DONTWAIT);
    if (n >= 0) return Result(env, static_cast<int32_t>(n));
    if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK) return Result(env, -errno);
  }
}

// (fd, bytes, start, length, timeoutMs) => length, or -errno
napi_value BlockingWrite(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const int fd = arguments.Int(0);
  const double length = arguments.Double(3);
  const uint8_t* bytes = Bytes(env, arguments.values[1], arguments.Double(2), length);
  if (bytes == nullptr) return Result(env, -EFAULT);
  const Limit limit(arguments.environment, arguments.Double(4));
  for (size_t sent = 0; sent < static_cast<size_t>(length);) {
    if (!limit.unlimited()) {
      const int waited = limit.Wait(fd, POLLOUT);
      if (waited < 0) return Result(env, waited);
    }
    const ssize_t n = send(fd, bytes + sent, static_cast<size_t>(length) - sent,
                           kSendFlags | (limit.unlimited() ? 0 : MSG_DONTWAIT));
    if (n >= 0) sent += static_cast<size_t>(n);
    if (n < 0 && errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK) return Result(env, -errno);
  }
  return Result(env, static_cast<int32_t>(length));
}

}  // namespace

void ExportBlockingClient(Environment* environment, napi_value exports) {
  Export(environment, exports, "blockingConnect", BlockingConnect);
  Export(environment, exports, "blockingRead", BlockingRead);
  Export(environment, exports, "blockingWrite", BlockingWrite);
}

}  // namespace underloop
