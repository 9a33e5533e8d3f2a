// Looks at descriptors, of this process and of others, and changes none: sock_diag, FIONREAD, kcmp, the protocol's name.
#include <napi.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "environment.h"

#ifdef __linux__
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#endif

namespace underloop {
namespace {

// (fd) => bytes that a read would find; ioctl(2) FIONREAD takes none of them
napi_value QueuedBytes(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  int bytes = 0;
  return Result(env, ioctl(arguments.Int(0), FIONREAD, &bytes) == 0 ? bytes : -errno);
}

#ifdef __linux__

// Whether a dump has come to its end (1), failed (-errno), or goes on (0).
int EndOfDump(const uint8_t* data, size_t length) {
  while (length >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    memcpy(&header, data, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > length) return -EBADMSG;
    if (header.nlmsg_type == NLMSG_DONE) return 1;
    if (header.nlmsg_type == NLMSG_ERROR) {
      int error = 0;
      if (header.nlmsg_len >= sizeof header + sizeof error)
        memcpy(&error, data + sizeof header, sizeof error);
      return error < 0 ? error : -EBADMSG;
    }
    const size_t step = NLMSG_ALIGN(header.nlmsg_len);
    if (step >= length) break;
    data += step;
    length -= step;
  }
  return 0;
}

// (request, reply) => bytes of reply, or -errno; -ENOBUFS: more than it holds. sock_diag(7). The kernel fills a dump in
// the calls that ask and read, so a socket that never blocks is enough.
napi_value SockDiag(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  const int32_t request_bytes = arguments.Int(1);
  const int32_t reply_bytes = arguments.Int(3);
  const uint8_t* request = Bytes(env, arguments.values[0], 0, request_bytes);
  uint8_t* reply = Bytes(env, arguments.values[2], 0, reply_bytes);
  if (request == nullptr || reply == nullptr) return Result(env, -EFAULT);
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
  if (fd < 0) return Result(env, -errno);
  int result = 0;
  if (send(fd, request, static_cast<size_t>(request_bytes), 0) < 0) result = -errno;
  size_t used = 0;
  while (result == 0) {
    const size_t room = static_cast<size_t>(reply_bytes) - used;
    const ssize_t n = recv(fd, reply + used, room, MSG_TRUNC);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      result = n < 0 ? -errno : -EBADMSG;
    } else if (static_cast<size_t>(n) > room) {
      result = -ENOBUFS;
    } else {
      result = EndOfDump(reply + used, static_cast<size_t>(n));
      used += static_cast<size_t>(n);
    }
  }
  close(fd);
  return Result(env, result < 0 ? result : static_cast<int32_t>(used));
}

// (pid, fd, epollPid, epollFd, entryFd, occurrence) => 0 when `fd` of `pid` is the file which that epoll set holds under
// the number `entryFd`, 1 to 3 when it is another, or -errno; kcmp(2) KCMP_EPOLL_TFD. `occurrence` counts the entries of
// one number, in the order of fdinfo.
napi_value CompareEpollTarget(napi_env env, napi_callback_info info) {
  const Arguments<6> arguments(env, info);
  constexpr int kCompareEpollTarget = 7;
  struct {
    uint32_t epoll_fd, target_fd, occurrence;
  } slot = {static_cast<uint32_t>(arguments.Int(3)), static_cast<uint32_t>(arguments.Int(4)),
            static_cast<uint32_t>(arguments.Int(5))};
  const long order = syscall(SYS_kcmp, arguments.Int(0), arguments.Int(2), kCompareEpollTarget,
                             static_cast<unsigned long>(arguments.Int(1)), &slot);
  return Result(env, order >= 0 ? static_cast<int32_t>(order) : -errno);
}

// (pid, fd, otherFd) => 0 when both descriptors of that process are one open file, 1 to 3 when not, or -errno; kcmp(2).
napi_value CompareFiles(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  constexpr int kCompareFile = 0;
  const long order =
      syscall(SYS_kcmp, arguments.Int(0), arguments.Int(0), kCompareFile,
              static_cast<unsigned long>(arguments.Int(1)), static_cast<unsigned long>(arguments.Int(2)));
  return Result(env, order >= 0 ? static_cast<int32_t>(order) : -errno);
}

// (path of /proc/PID/fd/FD) => "TCP", "UNIX-STREAM", ... or -errno. The link is followed, and nothing opened.
napi_value SocketProtocol(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const std::string path = Napi::Value(env, arguments.values[0]).ToString();
  char name[64];
  const ssize_t length = getxattr(path.c_str(), "system.sockprotoname", name, sizeof name);
  if (length < 0) return Result(env, -errno);
  napi_value result = nullptr;
  napi_create_string_utf8(env, name, strnlen(name, static_cast<size_t>(length)), &result);
  return result;
}

#else

napi_value Missing(napi_env env, napi_callback_info) { return Result(env, -ENOSYS); }
constexpr napi_callback SockDiag = Missing, CompareEpollTarget = Missing, CompareFiles = Missing,
                        SocketProtocol = Missing;

#endif

}  // namespace

void ExportInspection(Environment* environment, napi_value exports) {
  Export(environment, exports, "queuedBytes", QueuedBytes);
  Export(environment, exports, "sockDiag", SockDiag);
  Export(environment, exports, "compareEpollTarget", CompareEpollTarget);
  Export(environment, exports, "compareFiles", CompareFiles);
  Export(environment, exports, "socketProtocol", SocketProtocol);
}

}  // namespace underloop
