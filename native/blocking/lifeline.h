// A thread that ends the process when its parent is gone, even while JavaScript is blocked for ever.
#pragma once

namespace underloop::blocking {

// From now on this process ends when `fd`, the read end of a pipe, comes to its end. 0, and then the descriptor is the
// lifeline's; or -errno.
int StartLifeline(int fd);

}  // namespace underloop::blocking
