// What the addon keeps per JavaScript environment (main thread, worker): no globals, so that it loads many times.
#pragma once

#include <node_api.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "open_descriptors.h"
#include "poller.h"
#include "shared_block.h"

namespace underloop {

class Host;
class Offload;
class WaitThread;
struct Blocking;
struct Datagrams;

// Reads go into it, 64 KiB at most at a time (src/net/staging.ts says why). The rest is room for replies that are held
// until the end of a turn; what is not used is never touched, and costs no memory.
constexpr size_t kReadBufferBytes = 256 * 1024;

// Things that JavaScript names by small integers, their places. A place whose thing was removed is used again.
template <typename T>
class Handles {
 public:
  // Null for a number that names nothing.
  T* Find(int32_t handle) const {
    return handle >= 0 && static_cast<size_t>(handle) < items_.size()
               ? items_[static_cast<size_t>(handle)].get()
               : nullptr;
  }
  int32_t Add(std::shared_ptr<T> item) {
    size_t handle = 0;
    while (handle < items_.size() && items_[handle] != nullptr) handle++;
    if (handle == items_.size()) items_.emplace_back();
    items_[handle] = std::move(item);
    return static_cast<int32_t>(handle);
  }
  // One that Find() has found.
  void Remove(int32_t handle) { items_[static_cast<size_t>(handle)].reset(); }
  void Clear() { items_.clear(); }
  template <typename F>
  void ForEach(F use) const {
    for (const auto& item : items_) {
      if (item != nullptr) use(item.get());
    }
  }

 private:
  std::vector<std::shared_ptr<T>> items_;  // shared only because the types are not known here
};

struct Environment {
  napi_env env = nullptr;
  struct OpenPoller {
    std::unique_ptr<Poller> poller;
    SharedBlock* events = nullptr;  // filled by waits that name no array of their own
    SharedBlock* raw = nullptr;     // filled with the mechanism's own flags, for an observer
  };
  std::vector<OpenPoller> pollers;  // index = handle; closed ones are empty and are used again
  OpenDescriptors descriptors;
  SharedBlock* buffer = nullptr;
  Host* host = nullptr;
  // What handlers run in, made when the addon is loaded: no AsyncLocalStorage has a store then. See host.cc.
  napi_ref host_receiver = nullptr;
  napi_async_context host_async = nullptr;
  std::shared_ptr<Blocking> blocking;    // shared only because its type is not known here
  std::shared_ptr<Datagrams> datagrams;  // likewise
  Handles<Offload> offloads;
  Handles<WaitThread> wait_threads;
  // Of a worker: Worker.terminate() must end the thread although nothing can interrupt a thread that waits.
  bool terminable = false;
  napi_ref nothing = nullptr;  // a JavaScript function that does nothing

  Poller* poller(int32_t handle) {
    return handle >= 0 && static_cast<size_t>(handle) < pollers.size() ? pollers[handle].poller.get()
                                                                       : nullptr;
  }
  // Gives a handle for it.
  int32_t AddPoller(std::unique_ptr<Poller> poller);
  void ClosePoller(int32_t handle);
  ~Environment();
};

// Arguments of a hot call: read without node-addon-api's wrapper, for each microsecond of an echo is counted.
template <size_t N>
struct Arguments {
  Environment* environment = nullptr;
  napi_value values[N];
  size_t count = N;

  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    void* data = nullptr;
    napi_get_cb_info(env, info, &count, values, nullptr, &data);
    environment = static_cast<Environment*>(data);
  }
  int32_t Int(size_t i) const {
    int32_t value = 0;
    return napi_get_value_int32(env_, values[i], &value) == napi_ok ? value : -1;
  }
  double Double(size_t i) const {
    double value = 0;
    return napi_get_value_double(env_, values[i], &value) == napi_ok ? value : 0;
  }

 private:
  napi_env env_;
};

inline napi_value Result(napi_env env, int32_t value) {
  napi_value result = nullptr;
  napi_create_int32(env, value, &result);
  return result;
}

// True when [start, start + length) lies within `size`.
inline bool Within(int32_t start, int32_t length, size_t size) {
  return start >= 0 && length >= 0 && static_cast<size_t>(start) + static_cast<size_t>(length) <= size;
}

// Where the bytes [start, start + length) of a Uint8Array stand now; null when it is not one, when they are outside, or
// when it is detached. Asked at every call and never kept: it may be detached, resized or shared.
inline uint8_t* Bytes(napi_env env, napi_value value, int32_t start, int32_t length) {
  static constexpr uint8_t kNone[1] = {};  // no bytes are somewhere too, though an empty array has no memory
  napi_typedarray_type type;
  size_t size = 0;
  void* data = nullptr;
  napi_value buffer;
  if (napi_get_typedarray_info(env, value, &type, &size, &data, &buffer, nullptr) != napi_ok) return nullptr;
  if (type != napi_uint8_array || !Within(start, length, size)) return nullptr;
  if (data == nullptr) {
    bool detached = true;
    napi_is_detached_arraybuffer(env, buffer, &detached);
    return length == 0 && !detached ? const_cast<uint8_t*>(kNone) : nullptr;
  }
  return static_cast<uint8_t*>(data) + start;
}

// Adds a function to the exports; each gets the Environment as its data.
void Export(Environment* environment, napi_value exports, const char* name, napi_callback callback);

// How long a worker's thread waits before it looks whether it is being terminated. Half of the 100 ms within which
// Worker.terminate() shall return; 20 looks a second cost about a thousandth of a core.
constexpr double kTerminableSliceMs = 50;

// Whether this environment may run JavaScript still: a worker that is being terminated fails at the entry of any.
bool RunsJavaScript(Environment* environment);

void ExportPollers(Environment* environment, napi_value exports);
void ExportSockets(Environment* environment, napi_value exports);
void ExportAddresses(Environment* environment, napi_value exports);
void ExportDatagrams(Environment* environment, napi_value exports);
void ExportStreams(Environment* environment, napi_value exports);
void ExportDescriptors(Environment* environment, napi_value exports);
void ExportHost(Environment* environment, napi_value exports);
void ExportOffload(Environment* environment, napi_value exports);
void ExportWaitThreads(Environment* environment, napi_value exports);
void ExportInspection(Environment* environment, napi_value exports);
void ExportBlocking(Environment* environment, napi_value exports);
void ExportUring(Environment* environment, napi_value exports);
void ExportBlockingClient(Environment* environment, napi_value exports);

// What src/kernel/native.ts calls the family of Unix sockets; 4 and 6 are the internet's.
constexpr int32_t kUnixFamily = 1;

// Reads (family, host or path, port) from three arguments into a socket address. Returns its length, or -errno.
int ReadAddress(napi_env env, napi_value family, napi_value host, napi_value port, sockaddr_storage* address);

}  // namespace underloop
