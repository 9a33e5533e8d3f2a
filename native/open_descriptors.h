// Which descriptors an environment has open: closed with it.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace underloop {

// The descriptors that this environment has made and not closed yet. A worker that is terminated runs no JavaScript
// any more, so nobody else could give them back.
class OpenDescriptors {
 public:
  // Passes a result through: a descriptor, or -errno.
  int32_t Opened(int32_t fd) {
    if (fd >= 0) {
      if (static_cast<size_t>(fd) >= open_.size()) open_.resize(static_cast<size_t>(fd) * 2 + 64);
      open_[static_cast<size_t>(fd)] = true;
    }
    return fd;
  }
  void Closed(int32_t fd) {
    if (fd >= 0 && static_cast<size_t>(fd) < open_.size()) open_[static_cast<size_t>(fd)] = false;
  }
  void CloseAll() {
    for (size_t fd = 0; fd < open_.size(); fd++) {
      if (open_[fd]) close(static_cast<int>(fd));
    }
    open_.clear();
  }

 private:
  std::vector<bool> open_;
};

}  // namespace underloop
