// What a JavaScript environment keeps of the blocking models: its servers, stopped and joined when it ends.
#pragma once

#include <node_api.h>

#include <memory>
#include <vector>

#include "server.h"

namespace underloop {

struct Environment;

struct Blocking {
  static constexpr int kNotOpened = -2;

  std::vector<std::unique_ptr<blocking::Server>>
      servers;                    // index = handle; those that were stopped are empty
  int schedstat_fd = kNotOpened;  // of the environment's own thread; -1 where there is none

  ~Blocking();
};

}  // namespace underloop
