// The model `sequential`: one blocking thread, one client at a time; all others wait in the backlog.
#include <cerrno>

#include "server.h"
#include "session.h"
#include "thread.h"

namespace underloop::blocking {
namespace {

class Sequential : public Server {
 public:
  explicit Sequential(const Options& options) : Server(options) {}
  ~Sequential() override { Stop(); }

 private:
  int Run() override {
    counters.threads.store(1);
    return -StartOwn(Main, this, options.stack_bytes);
  }

  static void* Main(void* argument) {
    auto* server = static_cast<Sequential*>(argument);
    NameThread("ul-serve");
    {
      Upstream upstream(*server);
      for (int fd = server->Accept(); fd >= 0; fd = server->Accept()) server->ServeAndClose(fd, upstream);
    }
    server->counters.threads.store(0);
    server->ThreadEnds();
    return nullptr;
  }
};

}  // namespace

std::unique_ptr<Server> MakeSequential(const Options& options) {
  return std::make_unique<Sequential>(options);
}

}  // namespace underloop::blocking
