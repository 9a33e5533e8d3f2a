// Deliberate faults by name: "heap overflow", "use after free", "leak", "signed overflow", "data race".
#pragma once

#include <string_view>

namespace underloop::faults {

// Null for a name that is none.
void (*Find(std::string_view name))();

}  // namespace underloop::faults
