// Two ways to wake a thread that is blocked in accept(): shutdown(2), which Linux knows, and a pipe, which all know.
#include "acceptor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace underloop::blocking {
namespace {

void SetBlocking(int fd, bool blocking) {
  const int flags = fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

int AcceptOnce(int listen_fd) {
  int fd;
  do {
#ifdef SOCK_CLOEXEC
    fd = accept4(listen_fd, nullptr, nullptr, SOCK_CLOEXEC);
#else
    fd = accept(listen_fd, nullptr, nullptr);
#endif
  } while (fd < 0 && (errno == EINTR ||
                      errno == ECONNABORTED));  // aborted: that client has gone, the next may be there
  if (fd < 0) return -errno;
#ifndef SOCK_CLOEXEC
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  SetBlocking(fd, true);  // BSD: an accepted socket inherits O_NONBLOCK
#endif
#ifdef SO_NOSIGPIPE
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  return fd;
}

// Linux: shutdown() of a listening socket makes accept() return EINVAL, now and for ever.
class ByShutdown : public Acceptor {
 public:
  explicit ByShutdown(int listen_fd) : listen_fd_(listen_fd) { SetBlocking(listen_fd, true); }
  ~ByShutdown() override { close(listen_fd_); }
  int Accept() override {
    const int fd = AcceptOnce(listen_fd_);
    return fd == -EINVAL ? -ECANCELED : fd;
  }
  void Wake() override { shutdown(listen_fd_, SHUT_RDWR); }

 private:
  const int listen_fd_;
};

// Elsewhere shutdown() leaves accept() asleep (macOS: ENOTCONN), so the thread sleeps in poll() and hears a pipe as well.
class ByPipe : public Acceptor {
 public:
  ByPipe(int listen_fd, const int (&ends)[2])
      : listen_fd_(listen_fd), read_end_(ends[0]), write_end_(ends[1]) {
    // A client that leaves between poll() and accept() must not leave us asleep in accept(), where no pipe is heard.
    SetBlocking(listen_fd, false);
  }
  ~ByPipe() override {
    close(listen_fd_);
    close(read_end_);
    close(write_end_);
  }
  int Accept() override {
    for (;;) {
      pollfd both[2] = {{listen_fd_, POLLIN, 0}, {read_end_, POLLIN, 0}};
      if (poll(both, 2, -1) < 0 && errno != EINTR) return -errno;
      if (both[1].revents != 0) return -ECANCELED;
      if (both[0].revents == 0) continue;
      const int fd = AcceptOnce(listen_fd_);
      if (fd != -EAGAIN && fd != -EWOULDBLOCK) return fd;
    }
  }
  void Wake() override {
    const char byte = 0;
    // The pipe is empty, so one byte always finds room; it is never read, so every later poll() hears it too.
    if (!woken_.exchange(true)) [[maybe_unused]]
      const ssize_t written = write(write_end_, &byte, 1);
  }

 private:
  const int listen_fd_;
  const int read_end_;
  const int write_end_;
  std::atomic<bool> woken_{false};
};

}  // namespace

std::unique_ptr<Acceptor> Acceptor::Make(int listen_fd, bool by_pipe) {
#ifndef __linux__
  by_pipe = true;
#endif
  if (!by_pipe) return std::make_unique<ByShutdown>(listen_fd);
  int ends[2];
  if (pipe(ends) != 0) return nullptr;
  for (const int end : ends) fcntl(end, F_SETFD, FD_CLOEXEC);
  return std::make_unique<ByPipe>(listen_fd, ends);
}

}  // namespace underloop::blocking
