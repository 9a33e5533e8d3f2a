// A blocking accept that another thread can wake.
#pragma once

#include <memory>

namespace underloop::blocking {

class Acceptor {
 public:
  // Takes over the listening descriptor. Null when the system refuses a pipe.
  static std::unique_ptr<Acceptor> Make(int listen_fd, bool by_pipe);
  virtual ~Acceptor() = default;
  // Blocks. A connected descriptor, blocking and closed on exec; or -errno: -ECANCELED once Wake() was called.
  virtual int Accept() = 0;
  // Ends this and every later Accept(). From any thread.
  virtual void Wake() = 0;
};

}  // namespace underloop::blocking
