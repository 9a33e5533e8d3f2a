// Socket calls. All return a value >= 0 or -errno and never throw; flags are set in the call that makes the fd.
#include <fcntl.h>
#include <napi.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include <cerrno>

#include "environment.h"

namespace underloop {
namespace {

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;  // a write to a reset connection is an error, not a SIGPIPE
#else
constexpr int kSendFlags = 0;  // macOS: SO_NOSIGPIPE is set on each socket instead
#endif

// In a process with threads the C library makes recv and send cancellation points, with two atomic operations around
// each. Nobody cancels threads here, so on Linux the calls go by number.
#ifdef __linux__
ssize_t Receive(int fd, void* data, size_t length) {
  return syscall(SYS_recvfrom, fd, data, length, 0, nullptr, nullptr);
}
ssize_t SendOnce(int fd, const void* data, size_t length) {
  return syscall(SYS_sendto, fd, data, length, kSendFlags, nullptr, 0);
}
#else
ssize_t Receive(int fd, void* data, size_t length) { return recv(fd, data, length, 0); }
ssize_t SendOnce(int fd, const void* data, size_t length) { return send(fd, data, length, kSendFlags); }
#endif

// Ends an accepted or made descriptor's inheritance and blocking where the system cannot do so atomically.
[[maybe_unused]] void SetFlags(int fd) {
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
#ifdef SO_NOSIGPIPE
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
}

// (family, type) => fd; type 1 is SOCK_DGRAM
napi_value Socket(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const int32_t family = arguments.Int(0);
  const int domain = family == kUnixFamily ? AF_UNIX : family == 6 ? AF_INET6 : AF_INET;
  const int type = arguments.Int(1) == 1 ? SOCK_DGRAM : SOCK_STREAM;
#ifdef SOCK_CLOEXEC
  const int fd = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
  const int fd = socket(domain, type, 0);
  if (fd >= 0) SetFlags(fd);
#endif
  return Result(env, arguments.environment->descriptors.Opened(fd >= 0 ? fd : -errno));
}

// (fd, family, host or path, port) => 0 or -errno
template <int (*Operation)(int, const sockaddr*, socklen_t)>
napi_value WithAddress(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  sockaddr_storage address;
  const int length =
      ReadAddress(env, arguments.values[1], arguments.values[2], arguments.values[3], &address);
  if (length < 0) return Result(env, length);
  const int done =
      Operation(arguments.Int(0), reinterpret_cast<sockaddr*>(&address), static_cast<socklen_t>(length));
  return Result(env, done == 0 ? 0 : -errno);
}

int Bind(int fd, const sockaddr* address, socklen_t length) { return bind(fd, address, length); }
// Not restarted after EINTR: the connect goes on by itself, and a second call would say EALREADY (connect(2)).
int Connect(int fd, const sockaddr* address, socklen_t length) {
  const int done = connect(fd, address, length);
  if (done != 0 && errno == EINTR) errno = EINPROGRESS;
  return done;
}

napi_value Listen(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  return Result(env, listen(arguments.Int(0), arguments.Int(1)) == 0 ? 0 : -errno);
}

// (fd) => the accepted fd
napi_value Accept(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const int listener = arguments.Int(0);
  int fd;
  do {
#ifdef SOCK_CLOEXEC
    fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
#else
    fd = accept(listener, nullptr, nullptr);
    if (fd >= 0) SetFlags(fd);
#endif
  } while (fd < 0 && errno == EINTR);
  return Result(env, arguments.environment->descriptors.Opened(fd >= 0 ? fd : -errno));
}

// (fd, start, length) => bytes read into the environment's own buffer
napi_value Recv(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  SharedBlock* buffer = arguments.environment->buffer;
  const int32_t start = arguments.Int(1);
  const int32_t length = arguments.Int(2);
  if (!Within(start, length, buffer->size())) return Result(env, -EFAULT);
  const int fd = arguments.Int(0);
  ssize_t n;
  do {
    n = Receive(fd, buffer->data() + start, static_cast<size_t>(length));
  } while (n < 0 && errno == EINTR);
  return Result(env, n >= 0 ? static_cast<int32_t>(n) : -errno);
}

int32_t SendAll(int fd, const uint8_t* data, size_t length) {
  ssize_t n;
  do {
    n = SendOnce(fd, data, length);
  } while (n < 0 && errno == EINTR);
  return n >= 0 ? static_cast<int32_t>(n) : -errno;
}

// (fd, start, length) => bytes sent from the environment's own buffer
napi_value Send(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  SharedBlock* buffer = arguments.environment->buffer;
  const int32_t start = arguments.Int(1);
  const int32_t length = arguments.Int(2);
  if (!Within(start, length, buffer->size())) return Result(env, -EFAULT);
  return Result(env, SendAll(arguments.Int(0), buffer->data() + start, static_cast<size_t>(length)));
}

// (fd, bytes, start, length) => bytes sent
napi_value SendBytes(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  const int32_t length = arguments.Int(3);
  const uint8_t* data = Bytes(env, arguments.values[1], arguments.Int(2), length);
  if (data == nullptr) return Result(env, -EFAULT);
  return Result(env, SendAll(arguments.Int(0), data, static_cast<size_t>(length)));
}

napi_value Shutdown(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  return Result(env, shutdown(arguments.Int(0), arguments.Int(1)) == 0 ? 0 : -errno);
}

napi_value Close(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  arguments.environment->descriptors.Closed(arguments.Int(0));
  // Not repeated after EINTR: Linux has freed the number already, and a second close could hit a new owner (close(2)).
  const int done = close(arguments.Int(0));
  return Result(env, done == 0 || errno == EINTR ? 0 : -errno);
}

// The order is that of kSocketOptions in src/kernel/native.ts.
struct Option {
  int level;
  int name;
};
#ifdef TCP_KEEPIDLE
constexpr int kKeepIdle = TCP_KEEPIDLE;
#else
constexpr int kKeepIdle = TCP_KEEPALIVE;  // macOS
#endif
#ifdef TCP_USER_TIMEOUT
constexpr int kUserTimeout = TCP_USER_TIMEOUT;
#else
constexpr int kUserTimeout = -1;  // Linux alone has it
#endif
#ifdef TCP_DEFER_ACCEPT
constexpr int kDeferAccept = TCP_DEFER_ACCEPT;
#else
constexpr int kDeferAccept = -1;  // the same
#endif
constexpr Option kOptions[] = {
    {SOL_SOCKET, SO_ERROR},
    {SOL_SOCKET, SO_REUSEADDR},
    {SOL_SOCKET, SO_REUSEPORT},
    {IPPROTO_IPV6, IPV6_V6ONLY},
    {IPPROTO_TCP, TCP_NODELAY},
    {SOL_SOCKET, SO_KEEPALIVE},
    {IPPROTO_TCP, kKeepIdle},
    {SOL_SOCKET, SO_RCVBUF},
    {SOL_SOCKET, SO_SNDBUF},
    {SOL_SOCKET, SO_LINGER},
    {SOL_SOCKET, SO_BROADCAST},
    {IPPROTO_IP, IP_TTL},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS},
    {IPPROTO_IP, IP_MULTICAST_TTL},
    {IPPROTO_IPV6, IPV6_MULTICAST_HOPS},
    {IPPROTO_IP, IP_MULTICAST_LOOP},
    {IPPROTO_IPV6, IPV6_MULTICAST_LOOP},
    {IPPROTO_TCP, TCP_KEEPINTVL},
    {IPPROTO_TCP, TCP_KEEPCNT},
    {IPPROTO_TCP, kUserTimeout},
    {IPPROTO_TCP, kDeferAccept},
};
constexpr int32_t kLingerOption = 9;

// The option of that number; null where there is none.
const Option* OptionAt(int32_t which) {
  if (which < 0 || which >= static_cast<int32_t>(std::size(kOptions))) return nullptr;
  return kOptions[which].name < 0 ? nullptr : &kOptions[which];
}

// (fd, option, value) => 0 or -errno
napi_value SetOption(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  const int32_t which = arguments.Int(1);
  const Option* found = OptionAt(which);
  if (found == nullptr) return Result(env, -ENOPROTOOPT);
  const Option& option = *found;
  const int value = arguments.Int(2);
  int done;
  if (which == kLingerOption) {
    const linger setting{value >= 0 ? 1 : 0, value >= 0 ? value : 0};
    done = setsockopt(arguments.Int(0), option.level, option.name, &setting, sizeof setting);
  } else {
    done = setsockopt(arguments.Int(0), option.level, option.name, &value, sizeof value);
  }
  return Result(env, done == 0 ? 0 : -errno);
}

napi_value GetOption(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const int32_t which = arguments.Int(1);
  const Option* option = OptionAt(which);
  if (option == nullptr || which == kLingerOption) return Result(env, -ENOPROTOOPT);
  int value = 0;
  socklen_t length = sizeof value;
  if (getsockopt(arguments.Int(0), option->level, option->name, &value, &length) != 0) {
    return Result(env, -errno);
  }
  return Result(env, value);
}

// (pair: Int32Array) => 0 or -errno
napi_value SocketPair(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, arguments.values[0], &type, &length, &data, nullptr, nullptr) !=
          napi_ok ||
      type != napi_int32_array || length < 2) {
    return Result(env, -EINVAL);
  }
  int pair[2];
#ifdef SOCK_CLOEXEC
  const int done = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
#else
  const int done = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  if (done == 0) SetFlags(pair[0]), SetFlags(pair[1]);
#endif
  if (done != 0) return Result(env, -errno);
  for (int i = 0; i < 2; i++)
    static_cast<int32_t*>(data)[i] = arguments.environment->descriptors.Opened(pair[i]);
  return Result(env, 0);
}

napi_value OpenReserve(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  return Result(env, arguments.environment->descriptors.Opened(fd >= 0 ? fd : -errno));
}

}  // namespace

void ExportSockets(Environment* environment, napi_value exports) {
  Export(environment, exports, "socket", Socket);
  Export(environment, exports, "bind", WithAddress<Bind>);
  Export(environment, exports, "connect", WithAddress<Connect>);
  Export(environment, exports, "listen", Listen);
  Export(environment, exports, "accept", Accept);
  Export(environment, exports, "recv", Recv);
  Export(environment, exports, "send", Send);
  Export(environment, exports, "sendBytes", SendBytes);
  Export(environment, exports, "shutdown", Shutdown);
  Export(environment, exports, "close", Close);
  Export(environment, exports, "setOption", SetOption);
  Export(environment, exports, "getOption", GetOption);
  Export(environment, exports, "socketPair", SocketPair);
  Export(environment, exports, "openReserve", OpenReserve);
}

}  // namespace underloop
