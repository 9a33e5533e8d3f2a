// Memory that two languages share, and that goes when the last of both has let go.
#pragma once

#include <node_api.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace underloop {

// Memory that both JavaScript (as an ArrayBuffer) and native code use. Counted, because JavaScript may detach or
// collect its side at any time while a cached pointer lives on here: the block goes when the last of both has let go.
class SharedBlock {
 public:
  static SharedBlock* Make(size_t bytes);
  // An ArrayBuffer over the block; null when the runtime forbids external memory.
  napi_value ToArrayBuffer(napi_env env);
  uint8_t* data() { return data_.get(); }
  size_t size() const { return size_; }
  void Unref();

 private:
  // calloc: large blocks come as pages that cost no memory until they are touched.
  explicit SharedBlock(size_t bytes) : data_(static_cast<uint8_t*>(calloc(bytes, 1)), free), size_(bytes) {}
  std::atomic<int> references_{1};
  std::unique_ptr<uint8_t, void (*)(void*)> data_;
  size_t size_;
};

}  // namespace underloop
