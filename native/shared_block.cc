// Counts who uses a block: native code, and each ArrayBuffer over it until the collector takes that.
#include "shared_block.h"

namespace underloop {

SharedBlock* SharedBlock::Make(size_t bytes) { return new SharedBlock(bytes); }

void SharedBlock::Unref() {
  if (references_.fetch_sub(1) == 1) delete this;
}

napi_value SharedBlock::ToArrayBuffer(napi_env env) {
  napi_value result = nullptr;
  references_.fetch_add(1);
  const napi_status status = napi_create_external_arraybuffer(
      env, data_.get(), size_, [](napi_env, void*, void* hint) { static_cast<SharedBlock*>(hint)->Unref(); },
      this, &result);
  if (status != napi_ok) {
    references_.fetch_sub(1);
    return nullptr;
  }
  return result;
}

}  // namespace underloop
