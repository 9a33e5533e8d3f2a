// eventfd on Linux, a self-pipe elsewhere: one write, many wakes merge into one.
#include "waker.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#ifdef __linux__
#include <sys/eventfd.h>
#endif

namespace underloop {

int Waker::Open() {
#ifdef __linux__
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return -errno;
  read_fd_ = write_fd_ = fd;
#else
  int ends[2];
  if (pipe(ends) != 0) return -errno;
  for (int fd : ends) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
  }
  read_fd_ = ends[0];
  write_fd_ = ends[1];
#endif
  return 0;
}

void Waker::Close() {
  if (read_fd_ >= 0) close(read_fd_);
  if (write_fd_ >= 0 && write_fd_ != read_fd_) close(write_fd_);
  read_fd_ = write_fd_ = -1;
}

void Waker::WakeFd(int write_fd) {
  // An eventfd takes eight bytes, a pipe any number. EAGAIN means that a wake is pending already: that is enough.
  const uint64_t one = 1;
  ssize_t n;
  do {
    n = write(write_fd, &one, sizeof one);
  } while (n < 0 && errno == EINTR);
}

void Waker::Drain() const {
  // One read empties an eventfd; a pipe may hold several wakes.
  char bytes[512];
  ssize_t n;
  do {
    n = read(read_fd_, bytes, sizeof bytes);
  } while ((n < 0 && errno == EINTR) || n == static_cast<ssize_t>(sizeof bytes));
}

}  // namespace underloop
