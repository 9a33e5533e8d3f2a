// The lifeline: a thread that ends the process when its parent is gone, even while JavaScript is blocked for ever.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "lifeline.h"
#include "thread.h"

namespace underloop::blocking {
namespace {

// The parent holds the other end of the pipe and writes nothing. However it dies, the kernel closes that end.
void* WaitForEnd(void* argument) {
  const int fd = static_cast<int>(reinterpret_cast<intptr_t>(argument));
  NameThread("ul-lifeline");
  char discarded[64];
  for (;;) {
    const ssize_t n = read(fd, discarded, sizeof discarded);
    if (n > 0 || (n < 0 && errno == EINTR)) continue;
    if (n < 0 && errno == EAGAIN) {
      // The runtime made its pipes non-blocking, or the parent did: the flag belongs to both.
      pollfd one = {fd, POLLIN, 0};
      poll(&one, 1, -1);
      continue;
    }
    // Not exit(): handlers and destructors could wait for the JavaScript that is blocked.
    _exit(0);
  }
}

}  // namespace

int StartLifeline(int fd) {
  const int flags = fcntl(fd, F_GETFD);
  if (flags < 0) return -errno;
  fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
  pthread_t thread;
  // 64 KiB: it reads one pipe.
  const int error =
      StartThread(&thread, 64 * 1024, WaitForEnd, reinterpret_cast<void*>(static_cast<intptr_t>(fd)));
  if (error == 0) pthread_detach(thread);
  return -error;
}

}  // namespace underloop::blocking
