// A tiny addon that commits a deliberate fault inside the runtime: (name) => whether there is such a fault.
#include <node_api.h>

#include "faults.h"

static napi_value Commit(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value name;
  napi_get_cb_info(env, info, &count, &name, nullptr, nullptr);
  char text[64] = {};
  napi_get_value_string_utf8(env, name, text, sizeof text, nullptr);
  const auto fault = underloop::faults::Find(text);
  if (fault != nullptr) fault();
  napi_value result = nullptr;
  napi_get_boolean(env, fault != nullptr, &result);
  return result;
}

NAPI_MODULE_INIT() {
  napi_create_function(env, "commit", NAPI_AUTO_LENGTH, Commit, nullptr, &exports);
  return exports;
}
