// The threads of offload.h, the calls that they make, and JavaScript's way to them.
#include "offload.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <napi.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "blocking/thread.h"
#include "environment.h"

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

namespace {

Offload* OffloadOf(Environment* environment, int32_t handle) {
  auto& offloads = environment->offloads;
  return handle >= 0 && static_cast<size_t>(handle) < offloads.size()
             ? offloads[static_cast<size_t>(handle)].get()
             : nullptr;
}

napi_value OffloadOpen(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  std::shared_ptr<Offload> offload;
  const int error = Offload::Open(static_cast<size_t>(arguments.Int(0)), &offload);
  if (error < 0) return Result(env, error);
  auto& offloads = arguments.environment->offloads;
  size_t handle = 0;
  while (handle < offloads.size() && offloads[handle] != nullptr) handle++;
  if (handle == offloads.size()) offloads.emplace_back();
  offloads[handle] = std::move(offload);
  Napi::Array both = Napi::Array::New(env);
  both.Set(0u, static_cast<double>(handle));
  both.Set(1u, offloads[handle]->fd());
  return both;
}

napi_value OffloadClose(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const int32_t handle = arguments.Int(0);
  Offload* offload = OffloadOf(arguments.environment, handle);
  if (offload == nullptr) return Result(env, -EBADF);
  offload->Close();
  arguments.environment->offloads[static_cast<size_t>(handle)].reset();
  return Result(env, 0);
}

// The name of a host or a path: at most PATH_MAX of Linux.
bool Text(napi_env env, napi_value value, std::string* text) {
  char bytes[4096];
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, bytes, sizeof bytes, &length) != napi_ok) return false;
  if (length == sizeof bytes - 1) return false;
  text->assign(bytes, length);
  return true;
}

// (handle, id, host) => 0 or -errno
napi_value OffloadResolve(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  Offload* offload = OffloadOf(arguments.environment, arguments.Int(0));
  if (offload == nullptr) return Result(env, -EBADF);
  auto call = std::make_unique<OffloadCall>(OffloadCall::Kind::kResolve, arguments.Double(1));
  if (!Text(env, arguments.values[2], &call->text)) return Result(env, -ENAMETOOLONG);
  return Result(env, offload->Submit(std::move(call)));
}

// (handle, id, path, bytesMax) => 0 or -errno
napi_value OffloadReadFile(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  Offload* offload = OffloadOf(arguments.environment, arguments.Int(0));
  if (offload == nullptr) return Result(env, -EBADF);
  auto call = std::make_unique<OffloadCall>(OffloadCall::Kind::kReadFile, arguments.Double(1));
  if (!Text(env, arguments.values[2], &call->text)) return Result(env, -ENAMETOOLONG);
  call->bytes_max = static_cast<size_t>(arguments.Double(3));
  return Result(env, offload->Submit(std::move(call)));
}

// (handle, id, fd, offset, length) => 0 or -errno
napi_value OffloadReadChunk(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  Offload* offload = OffloadOf(arguments.environment, arguments.Int(0));
  if (offload == nullptr) return Result(env, -EBADF);
  auto call = std::make_unique<OffloadCall>(OffloadCall::Kind::kReadChunk, arguments.Double(1));
  call->fd = arguments.Int(2);
  call->offset = static_cast<int64_t>(arguments.Double(3));
  call->bytes_max = static_cast<size_t>(arguments.Double(4));
  return Result(env, offload->Submit(std::move(call)));
}

napi_value OffloadCancel(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  Offload* offload = OffloadOf(arguments.environment, arguments.Int(0));
  return Result(env, offload != nullptr && offload->Cancel(arguments.Double(1)) ? 1 : 0);
}

// (handle, outcome: Float64Array of 2) => ArrayBuffer, string or undefined
napi_value OffloadTake(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  Offload* offload = OffloadOf(arguments.environment, arguments.Int(0));
  napi_typedarray_type type;
  size_t length = 0;
  void* outcome = nullptr;
  if (offload == nullptr ||
      napi_get_typedarray_info(env, arguments.values[1], &type, &length, &outcome, nullptr, nullptr) !=
          napi_ok ||
      type != napi_float64_array || length < 2) {
    return nullptr;
  }
  const std::unique_ptr<OffloadCall> call = offload->Take();
  if (call == nullptr) return nullptr;
  static_cast<double*>(outcome)[0] = call->id;
  static_cast<double*>(outcome)[1] = call->result;
  napi_value value = nullptr;
  if (call->result < 0 || call->kind == OffloadCall::Kind::kResolve) {
    napi_create_string_utf8(env, call->addresses.data(), call->addresses.size(), &value);
    return value;
  }
  // The memory is JavaScript's now.
  const napi_status status = napi_create_external_arraybuffer(
      env, call->data, static_cast<size_t>(call->result), [](napi_env, void* data, void*) { free(data); },
      nullptr, &value);
  if (status == napi_ok) call->data = nullptr;
  return value;
}

}  // namespace

void ExportOffload(Environment* environment, napi_value exports) {
  Export(environment, exports, "offloadOpen", OffloadOpen);
  Export(environment, exports, "offloadClose", OffloadClose);
  Export(environment, exports, "offloadResolve", OffloadResolve);
  Export(environment, exports, "offloadReadFile", OffloadReadFile);
  Export(environment, exports, "offloadReadChunk", OffloadReadChunk);
  Export(environment, exports, "offloadCancel", OffloadCancel);
  Export(environment, exports, "offloadTake", OffloadTake);
}

}  // namespace underloop
