// A descriptor that ends a wait from anywhere: eventfd on Linux, a pipe elsewhere.
#pragma once

namespace underloop {

class Waker {
 public:
  Waker() = default;
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;
  ~Waker() { Close(); }

  int Open();  // 0 or -errno
  void Close();
  int read_fd() const { return read_fd_; }
  int write_fd() const { return write_fd_; }
  void Wake() const { WakeFd(write_fd_); }
  void Drain() const;
  // Async-signal-safe, and safe from any thread while the descriptor is open.
  static void WakeFd(int write_fd);

 private:
  int read_fd_ = -1;
  int write_fd_ = -1;
};

}  // namespace underloop
