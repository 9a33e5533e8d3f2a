// What the blocking models have in common: descriptors that stop() can wake, threads that it can join, and counters.
#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "acceptor.h"

namespace underloop::blocking {

enum class Model { kSequential, kThreads, kPool };

struct Options {
  Model model = Model::kSequential;
  int listen_fd = -1;  // bound and listening; the server's from now on
  uint16_t upstream_port = 0;
  size_t threads = 1;                    // pool
  size_t stack_bytes = 0;                // 0: the system's default
  uint32_t requests_per_connection = 0;  // 0: no limit
  size_t queue_max = 0;                  // pool: connections that wait for a thread
  bool wake_by_pipe = false;             // as on systems whose accept() no shutdown() wakes
};

struct Counters {
  std::atomic<uint64_t> accepted{0};
  std::atomic<uint64_t> connections{0};  // open now
  std::atomic<uint64_t> serving{0};      // of these, with a thread
  std::atomic<uint64_t> served{0};       // requests
  std::atomic<uint64_t> refused{
      0};                           // connections closed because a thread or a place in the queue was lacking
  std::atomic<uint64_t> errors{0};  // bad frames, failed upstream calls, failed accepts
  std::atomic<uint64_t> queued{0};
  std::atomic<uint64_t> threads{0};  // that serve: the acceptor's own is not counted
};

class Server {
 public:
  // 0, and the server, which serves already; or -errno.
  static int Start(const Options& options, std::unique_ptr<Server>* server);
  // Wakes every thread whatever it is blocked in, and joins them all. Only from the thread that called Start().
  void Stop();
  virtual ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  Counters counters;
  const Options options;

  // ---- For the threads ----------------------------------------------------------------------------------

  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }

  // A descriptor that blocking calls are made on is entered first and closed only here: Stop() locks a slot while it
  // shuts its descriptor down, so it can never meet a number that its owner has closed and the system given anew.
  // Enter() closes it and returns false when the server stops, or the number is beyond the table.
  bool Enter(int fd);
  void Close(int fd);

 protected:
  // A lock of its own for each descriptor: with one for all, ten thousand threads that Stop() wakes would queue for it
  // twice each, which took half of its time.
  enum State : uint32_t { kFree, kOpen, kLocked };
  struct Slot {
    Server* server;
    std::atomic<State> state;
  };

  explicit Server(const Options& options);
  // Starts the model's first threads; -errno on failure, after which Stop() cleans up.
  virtual int Run() = 0;
  // Under the lock, once stopping() is true: wakes threads that wait for something of the model's own.
  virtual void WakeOwn() {}

  // The next connection, entered and counted; -1 when the server stops.
  int Accept();
  // Serves one connection to its end with an upstream connection that outlives it or not, then closes it.
  void ServeAndClose(int fd, class Upstream& upstream);
  void CloseConnection(int fd);
  // Starts a thread that must call ThreadEnds() last. 0 or an errno.
  int StartOwn(void* (*run)(void*), void* argument, size_t stack_bytes);
  void ThreadEnds();
  void Say(const char* text, int error);

  Slot* slots_ = nullptr;  // index = fd. Its pages are the system's zeros until they are used
  size_t slots_count_ = 0;
  std::atomic<size_t> slots_used_{0};  // no higher number has been entered
  std::mutex lock_;
  std::condition_variable changed_;

 private:
  void ShutAll();

  std::atomic<bool> stopping_{false};
  bool stopped_ = false;
  bool said_ = false;
  std::unique_ptr<Acceptor> acceptor_;
  size_t alive_ = 0;  // threads that have not ended
  // Threads that have ended and are not joined. While the server runs each one joins the one before, so that never
  // more than one keeps its stack; while it stops, Stop() joins them, for a chain of ten thousand would take seconds.
  bool has_last_ = false;
  pthread_t last_ = {};
  std::vector<pthread_t> ended_;
};

std::unique_ptr<Server> MakeSequential(const Options& options);
std::unique_ptr<Server> MakeThreads(const Options& options);
std::unique_ptr<Server> MakePool(const Options& options);

}  // namespace underloop::blocking
