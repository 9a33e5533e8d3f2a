// The threads of offload.h and the calls that they make.
#include "offload.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "blocking/thread.h"

namespace underloop {

OffloadCall::~OffloadCall() { free(data); }

namespace {

// The runtime's own numbers for what getaddrinfo(3) returns; they are documented and do not depend on the system.
int32_t ResolverError(int error) {
  switch (error) {
    case EAI_AGAIN: return -3001;
    case EAI_FAMILY: return -3005;
    case EAI_MEMORY: return -3006;
#ifdef EAI_NODATA
    case EAI_NODATA: return -3007;
#endif
    case EAI_NONAME: return -3008;
    case EAI_SYSTEM: return -errno;
    default: return -3004;  // EAI_FAIL
  }
}

void Resolve(OffloadCall* call) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(call->text.c_str(), nullptr, &hints, &list);
  if (error != 0) {
    call->result = ResolverError(error);
    return;
  }
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    char name[INET6_ADDRSTRLEN + 64];  // with %scope
    if (getnameinfo(one->ai_addr, one->ai_addrlen, name, sizeof name, nullptr, 0, NI_NUMERICHOST) != 0)
      continue;
    call->addresses += name;
    call->addresses += '\n';
    call->result++;
  }
  freeaddrinfo(list);
}

// Reads until `bytes_max` or the end. At `offset` (pread(2)), or from where the file stands when that is negative.
int32_t Fill(OffloadCall* call, int fd, size_t capacity) {
  size_t length = 0;
  for (;;) {
    if (length == capacity || call->data == nullptr) {
      const size_t grown = call->data == nullptr ? capacity : capacity * 2;
      const size_t bounded = grown < call->bytes_max ? grown : call->bytes_max;
      if (call->data != nullptr && bounded == capacity) return static_cast<int32_t>(length);
      auto* data = static_cast<uint8_t*>(realloc(call->data, bounded == 0 ? 1 : bounded));
      if (data == nullptr) return -ENOMEM;
      call->data = data;
      capacity = bounded;
      if (capacity == 0) return 0;
    }
    const size_t room = capacity - length;
    const ssize_t n = call->offset < 0
                          ? read(fd, call->data + length, room)
                          : pread(fd, call->data + length, room, call->offset + static_cast<off_t>(length));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    if (n == 0) return static_cast<int32_t>(length);
    length += static_cast<size_t>(n);
  }
}

void ReadFile(OffloadCall* call) {
  // Not to hang in open(2) on a FIFO without a writer. Of files it changes nothing.
  const int fd = open(call->text.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    call->result = -errno;
    return;
  }
  struct stat status = {};
  size_t capacity = 64 * 1024;  // files of /proc say that they have no size
  if (fstat(fd, &status) == 0 && status.st_size > 0) capacity = static_cast<size_t>(status.st_size) + 1;
  call->offset = -1;
  // One byte more than the bound tells whether there is more.
  const size_t bytes_max = call->bytes_max;
  call->bytes_max = bytes_max + 1;
  call->result = Fill(call, fd, capacity < call->bytes_max ? capacity : call->bytes_max);
  if (call->result > static_cast<int64_t>(bytes_max)) call->result = -EFBIG;
  close(fd);
}

void Make(OffloadCall* call) {
  switch (call->kind) {
    case OffloadCall::Kind::kResolve: return Resolve(call);
    case OffloadCall::Kind::kReadFile: return ReadFile(call);
    case OffloadCall::Kind::kReadChunk: call->result = Fill(call, call->fd, call->bytes_max);
  }
}

// A thread may outlive the environment that started it, and with a worker's last reference the runtime unloads the addon:
// the code under a thread's feet must stay.
void KeepCodeLoaded() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&KeepCodeLoaded), &info) == 0) return;
  dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

}  // namespace

int Offload::Open(size_t threads_max, std::shared_ptr<Offload>* result) {
  std::shared_ptr<Offload> offload(new Offload(threads_max));
  const int error = offload->waker_.Open();
  if (error < 0) return error;
  KeepCodeLoaded();
  *result = std::move(offload);
  return 0;
}

void Offload::Close() {
  const std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  queue_.clear();
  done_.clear();
  waker_.Close();
  work_.notify_all();
}

int Offload::Submit(std::unique_ptr<OffloadCall> call) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (idle_ <= queue_.size() && threads_ < threads_max_) {
    pthread_t thread;
    auto* self = new std::shared_ptr<Offload>(shared_from_this());
    // getaddrinfo(3) and what it loads want more than a small stack.
    const int error = blocking::StartThread(&thread, 256 * 1024, ThreadMain, self);
    if (error == 0) {
      pthread_detach(thread);
      threads_++;
    } else {
      delete self;
      if (threads_ == 0) return -error;
    }
  }
  queue_.push_back(std::move(call));
  work_.notify_one();
  return 0;
}

bool Offload::Cancel(double id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto at = queue_.begin(); at != queue_.end(); ++at) {
    if ((*at)->id != id) continue;
    queue_.erase(at);
    return true;
  }
  return false;
}

std::unique_ptr<OffloadCall> Offload::Take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (done_.empty()) {
    if (!closed_) waker_.Drain();
    return nullptr;
  }
  std::unique_ptr<OffloadCall> call = std::move(done_.front());
  done_.pop_front();
  return call;
}

void* Offload::ThreadMain(void* argument) {
  blocking::NameThread("ul-offload");
  std::unique_ptr<std::shared_ptr<Offload>> self(static_cast<std::shared_ptr<Offload>*>(argument));
  (*self)->Serve();
  return nullptr;
}

void Offload::Serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    while (queue_.empty() && !closed_) {
      idle_++;
      work_.wait(lock);
      idle_--;
    }
    if (closed_) return;
    std::unique_ptr<OffloadCall> call = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    Make(call.get());
    lock.lock();
    if (closed_) return;
    done_.push_back(std::move(call));
    waker_.Wake();  // under the lock: Close() closes it
  }
}

}  // namespace underloop
