// What stream descriptors from elsewhere need: what kind they are, taking them over; and several pieces sent in one call.
#include <fcntl.h>
#include <limits.h>
#include <napi.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "environment.h"

namespace underloop {
namespace {

// The order is that of `kinds` in src/kernel/native.ts.
enum Kind { kStream, kListener, kDatagram, kPipe, kCharacter, kFile, kDirectory, kOther };
constexpr int32_t kReadable = 8;
constexpr int32_t kWritable = 16;

Kind KindOf(int fd, mode_t mode) {
  if (S_ISFIFO(mode)) return kPipe;
  if (S_ISCHR(mode)) return kCharacter;
  if (S_ISREG(mode) || S_ISBLK(mode)) return kFile;
  if (S_ISDIR(mode)) return kDirectory;
  if (!S_ISSOCK(mode)) return kOther;
  int type = 0;
  socklen_t length = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0) return kOther;
  if (type != SOCK_STREAM) return type == SOCK_DGRAM ? kDatagram : kOther;
  int listens = 0;
  length = sizeof listens;
  const bool told = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0;
  return told && listens != 0 ? kListener : kStream;
}

// (fd) => kind | kReadable | kWritable, or -errno. Changes nothing.
napi_value Inspect(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const int fd = arguments.Int(0);
  struct stat facts;
  if (fstat(fd, &facts) != 0) return Result(env, -errno);
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return Result(env, -errno);
  const int access = flags & O_ACCMODE;
  return Result(env, KindOf(fd, facts.st_mode) | (access != O_WRONLY ? kReadable : 0) |
                         (access != O_RDONLY ? kWritable : 0));
}

// (fd) => 0 or -errno. Sets O_NONBLOCK and FD_CLOEXEC; from here on the environment closes it if nobody else does.
napi_value Adopt(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const int fd = arguments.Int(0);
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
    return Result(env, -errno);
#ifdef SO_NOSIGPIPE
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);  // fails for what is no socket
#endif
  // write(2) has no MSG_NOSIGNAL. Node ignores SIGPIPE from its start; taking the last handler of it away makes libuv
  // restore the default, which ends the process.
  struct sigaction action;
  if (sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) signal(SIGPIPE, SIG_IGN);
  arguments.environment->descriptors.Opened(fd);
  return Result(env, 0);
}

// One call takes no more: the limit of writev(2), and what keeps the array on the stack small.
constexpr uint32_t kPiecesMax = 64;
static_assert(kPiecesMax <= IOV_MAX);

// (fd, pieces: Uint8Array[], count, start, end) => bytes taken, or -errno: the first piece from `start`, the last to
// `end`. Where the bytes stand is asked at every call and never kept: an array may be detached meanwhile.
template <bool kSocket>
napi_value Gather(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const int32_t count = arguments.Int(2);
  if (count < 1 || count > static_cast<int32_t>(kPiecesMax)) return Result(env, -EINVAL);
  iovec pieces[kPiecesMax];
  for (int32_t i = 0; i < count; i++) {
    napi_value piece;
    napi_typedarray_type type;
    size_t size = 0;
    void* data = nullptr;
    if (napi_get_element(env, arguments.values[1], static_cast<uint32_t>(i), &piece) != napi_ok ||
        napi_get_typedarray_info(env, piece, &type, &size, &data, nullptr, nullptr) != napi_ok ||
        type != napi_uint8_array) {
      return Result(env, -EFAULT);
    }
    const int32_t start = i == 0 ? arguments.Int(3) : 0;
    const int32_t end = i == count - 1 ? arguments.Int(4) : static_cast<int32_t>(size);
    if (start < 0 || end < start || static_cast<size_t>(end) > size || (data == nullptr && end > start))
      return Result(env, -EFAULT);
    pieces[i] = {static_cast<uint8_t*>(data) + start, static_cast<size_t>(end - start)};
  }
  ssize_t n;
  do {
    if constexpr (kSocket) {
      msghdr message{};
      message.msg_iov = pieces;
      message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(count);
#ifdef MSG_NOSIGNAL
      n = sendmsg(arguments.Int(0), &message, MSG_NOSIGNAL);
#else
      n = sendmsg(arguments.Int(0), &message, 0);  // macOS: SO_NOSIGPIPE is set on each socket
#endif
    } else {
      n = writev(arguments.Int(0), pieces, count);
    }
  } while (n < 0 && errno == EINTR);
  return Result(env, n >= 0 ? static_cast<int32_t>(n) : -errno);
}

}  // namespace

void ExportStreams(Environment* environment, napi_value exports) {
  Export(environment, exports, "inspect", Inspect);
  Export(environment, exports, "adopt", Adopt);
  Export(environment, exports, "sendPieces", Gather<true>);
  Export(environment, exports, "writePieces", Gather<false>);
}

}  // namespace underloop
