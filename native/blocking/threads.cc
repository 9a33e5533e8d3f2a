// The model `threads`: one thread accepts, and starts a thread for each connection, which serves it to its end.
#include <cerrno>

#include "server.h"
#include "session.h"
#include "thread.h"

namespace underloop::blocking {
namespace {

class Threads : public Server {
 public:
  explicit Threads(const Options& options) : Server(options) {}
  ~Threads() override { Stop(); }

 private:
  int Run() override { return -StartOwn(AcceptAll, this, 0); }

  static void* AcceptAll(void* argument) {
    auto* server = static_cast<Threads*>(argument);
    NameThread("ul-accept");
    for (int fd = server->Accept(); fd >= 0; fd = server->Accept()) server->StartThreadFor(fd);
    server->ThreadEnds();
    return nullptr;
  }

  void StartThreadFor(int fd) {
    // The slot tells the thread what it needs: no allocation, and so no allocator's arena, for each thread.
    counters.threads.fetch_add(1, std::memory_order_relaxed);
    const int error = StartOwn(ServeOne, &slots_[fd], options.stack_bytes);
    if (error == 0) return;
    counters.threads.fetch_sub(1, std::memory_order_relaxed);
    counters.refused.fetch_add(1, std::memory_order_relaxed);
    Say("no thread for a new connection, which is closed; those open are served on. The limit is the "
        "system's "
        "(ulimit -u, pids.max of a container, kernel.threads-max) or memory for stacks (--stack-kib)",
        error);
    CloseConnection(fd);
  }

  static void* ServeOne(void* argument) {
    auto* slot = static_cast<Slot*>(argument);
    auto* server = static_cast<Threads*>(slot->server);
    NameThread("ul-serve");
    {
      Upstream upstream(*server);
      server->ServeAndClose(static_cast<int>(slot - server->slots_), upstream);
    }
    server->counters.threads.fetch_sub(1, std::memory_order_relaxed);
    server->ThreadEnds();
    return nullptr;
  }
};

}  // namespace

std::unique_ptr<Server> MakeThreads(const Options& options) { return std::make_unique<Threads>(options); }

}  // namespace underloop::blocking
