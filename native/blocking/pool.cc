// The model `pool`: a fixed number of threads, each of which serves one connection to its end; the rest queue, bounded.
#include <cerrno>
#include <deque>

#include "server.h"
#include "session.h"
#include "thread.h"

namespace underloop::blocking {
namespace {

class Pool : public Server {
 public:
  explicit Pool(const Options& options) : Server(options) {}
  ~Pool() override { Stop(); }

 private:
  int Run() override {
    for (size_t i = 0; i < options.threads; i++) {
      const int error = StartOwn(ServeAll, this, options.stack_bytes);
      if (error != 0) return -error;
      counters.threads.fetch_add(1, std::memory_order_relaxed);
    }
    return -StartOwn(AcceptAll, this, 0);
  }

  void WakeOwn() override { filled_.notify_all(); }

  static void* AcceptAll(void* argument) {
    auto* server = static_cast<Pool*>(argument);
    NameThread("ul-accept");
    for (int fd = server->Accept(); fd >= 0; fd = server->Accept()) {
      if (server->Push(fd)) continue;
      server->counters.refused.fetch_add(1, std::memory_order_relaxed);
      server->CloseConnection(fd);
    }
    server->ThreadEnds();
    return nullptr;
  }

  static void* ServeAll(void* argument) {
    auto* server = static_cast<Pool*>(argument);
    NameThread("ul-serve");
    {
      Upstream upstream(*server);
      for (int fd = server->Pop(); fd >= 0; fd = server->Pop()) server->ServeAndClose(fd, upstream);
    }
    server->counters.threads.fetch_sub(1, std::memory_order_relaxed);
    server->ThreadEnds();
    return nullptr;
  }

  // False when the queue is full. A thread that is free counts as one place more: its connection does not wait.
  bool Push(int fd) {
    const std::lock_guard<std::mutex> guard(lock_);
    if (queue_.size() >= options.queue_max + idle_) return false;
    queue_.push_back(fd);
    Count();
    filled_.notify_one();
    return true;
  }

  // The next connection; -1 when the server stops, and what is queued then is closed.
  int Pop() {
    std::unique_lock<std::mutex> guard(lock_);
    idle_++;
    filled_.wait(guard, [this] { return stopping() || !queue_.empty(); });
    idle_--;
    if (queue_.empty()) return -1;
    const int fd = queue_.front();
    queue_.pop_front();
    Count();
    return fd;
  }

  // Not yet taken, beyond those that a free thread is about to take.
  void Count() {
    counters.queued.store(queue_.size() > idle_ ? queue_.size() - idle_ : 0, std::memory_order_relaxed);
  }

  std::condition_variable filled_;
  std::deque<int> queue_;
  size_t idle_ = 0;
};

}  // namespace

std::unique_ptr<Server> MakePool(const Options& options) { return std::make_unique<Pool>(options); }

}  // namespace underloop::blocking
