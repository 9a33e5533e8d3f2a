// Descriptors, threads and stop(), common to all blocking models.
#include "server.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "session.h"
#include "thread.h"

namespace underloop::blocking {
namespace {

// Without a limit of the system's, one of ours: a slot costs 16 bytes, and only once it is used.
constexpr size_t kDescriptorsMax = 1 << 20;
// How long accepting pauses when the process has no descriptor left: clients wait in the backlog meanwhile.
constexpr auto kBackOff = std::chrono::milliseconds(10);

}  // namespace

int Server::Start(const Options& options, std::unique_ptr<Server>* result) {
  std::unique_ptr<Server> server;
  switch (options.model) {
    case Model::kSequential: server = MakeSequential(options); break;
    case Model::kThreads: server = MakeThreads(options); break;
    case Model::kPool: server = MakePool(options); break;
  }
  if (server == nullptr) {
    close(options.listen_fd);
    return -EINVAL;
  }
  server->acceptor_ = Acceptor::Make(options.listen_fd, options.wake_by_pipe);
  if (server->acceptor_ == nullptr) {
    const int error = errno;
    close(options.listen_fd);
    return -error;
  }
  if (server->slots_ == nullptr) return -ENOMEM;
  const int started = server->Run();
  if (started < 0) {
    server->Stop();
    return started;
  }
  *result = std::move(server);
  return 0;
}

Server::Server(const Options& given) : options(given) {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  slots_count_ = static_cast<size_t>(std::min<rlim_t>(limit.rlim_cur, kDescriptorsMax));
  void* pages =
      mmap(nullptr, slots_count_ * sizeof(Slot), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
  if (pages != MAP_FAILED) slots_ = static_cast<Slot*>(pages);
}

Server::~Server() {
  // Stop() was called: by the derived class's owner, or Run() never started a thread.
  if (slots_ != nullptr) munmap(slots_, slots_count_ * sizeof(Slot));
}

void Server::Stop() {
  if (stopped_) return;
  stopped_ = true;
  {
    const std::lock_guard<std::mutex> guard(lock_);
    stopping_.store(true);
    WakeOwn();
  }
  ShutAll();
  if (acceptor_ != nullptr) acceptor_->Wake();
  changed_.notify_all();
  std::vector<pthread_t> ended;
  {
    std::unique_lock<std::mutex> guard(lock_);
    changed_.wait(guard, [this] { return alive_ == 0; });
    ended.swap(ended_);
    if (has_last_) ended.push_back(last_);
    has_last_ = false;
  }
  for (const pthread_t thread : ended) pthread_join(thread, nullptr);
  acceptor_.reset();
}

bool Server::Enter(int fd) {
  const auto number = static_cast<size_t>(fd);
  if (number < slots_count_) {
    // The load orders this thread after the one that last had the number, and read `server` there. Between its close()
    // and our accept() only the kernel does so, of which neither the language nor ThreadSanitizer knows.
    if (slots_[fd].state.load() == kFree) slots_[fd].server = this;
    size_t used = slots_used_.load();
    while (used <= number && !slots_used_.compare_exchange_weak(used, number + 1)) continue;
    slots_[fd].state.store(kOpen);
    // Stop() says that it stops and then looks at the slots; here it is the other way round. One sees the other.
    if (!stopping_.load()) return true;
    Close(fd);
    return false;
  }
  close(fd);
  return false;
}

void Server::Close(int fd) {
  State open = kOpen;
  // Locked only while Stop() is in shutdown(2), some microseconds.
  while (!slots_[fd].state.compare_exchange_weak(open, kFree)) {
    open = kOpen;
    sched_yield();
  }
  close(fd);
}

// Wakes whoever is blocked on a descriptor, now or as soon as it tries.
void Server::ShutAll() {
  const size_t used = slots_used_.load();
  for (size_t fd = 0; fd < used; fd++) {
    State open = kOpen;
    if (!slots_[fd].state.compare_exchange_strong(open, kLocked)) continue;
    shutdown(static_cast<int>(fd), SHUT_RDWR);
    slots_[fd].state.store(kOpen);
  }
}

int Server::Accept() {
  while (!stopping()) {
    const int fd = acceptor_->Accept();
    if (fd >= 0) {
      counters.accepted.fetch_add(1, std::memory_order_relaxed);
      if (!Enter(fd)) continue;
      counters.connections.fetch_add(1, std::memory_order_relaxed);
      return fd;
    }
    if (fd == -ECANCELED) return -1;
    counters.errors.fetch_add(1, std::memory_order_relaxed);
    Say("cannot accept a connection; it waits in the backlog and is tried again", -fd);
    std::unique_lock<std::mutex> guard(lock_);
    changed_.wait_for(guard, kBackOff, [this] { return stopping(); });
  }
  return -1;
}

void Server::ServeAndClose(int fd, Upstream& upstream) {
  counters.serving.fetch_add(1, std::memory_order_relaxed);
  Session(*this, upstream, fd).Run();
  counters.serving.fetch_sub(1, std::memory_order_relaxed);
  CloseConnection(fd);
}

void Server::CloseConnection(int fd) {
  Close(fd);
  counters.connections.fetch_sub(1, std::memory_order_relaxed);
}

int Server::StartOwn(void* (*run)(void*), void* argument, size_t stack_bytes) {
  {
    const std::lock_guard<std::mutex> guard(lock_);
    alive_++;
  }
  pthread_t thread;
  const int error = StartThread(&thread, stack_bytes, run, argument);
  if (error != 0) {
    const std::lock_guard<std::mutex> guard(lock_);
    alive_--;
  }
  return error;
}

void Server::ThreadEnds() {
  bool join = false;
  pthread_t before = {};
  {
    const std::lock_guard<std::mutex> guard(lock_);
    if (stopping()) {
      ended_.push_back(pthread_self());
    } else {
      join = has_last_;
      before = last_;
      last_ = pthread_self();
      has_last_ = true;
    }
    // Under the lock: once it is free, Stop() may join this thread and the server be gone.
    if (--alive_ == 0) changed_.notify_all();
  }
  if (join) pthread_join(before, nullptr);
}

void Server::Say(const char* text, int error) {
  {
    const std::lock_guard<std::mutex> guard(lock_);
    if (said_) return;
    said_ = true;
  }
  fprintf(stderr, "underloop: %s: %s (%llu threads are serving). Said once; the counters go on.\n", text,
          strerror(error), static_cast<unsigned long long>(counters.threads.load()));
}

}  // namespace underloop::blocking
