// Starts native threads: with a name, a stack size, and every signal blocked, so that signals stay the runtime's.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <cstddef>

namespace underloop::blocking {

// 0 or an errno; EAGAIN says that the system has no thread, or no memory for a stack, to give. `stack_bytes` 0: the
// system's default.
inline int StartThread(pthread_t* thread, size_t stack_bytes, void* (*run)(void*), void* argument) {
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error != 0) return error;
  if (stack_bytes != 0) error = pthread_attr_setstacksize(&attributes, stack_bytes);
  if (error == 0) {
    // A thread inherits the mask of the one that makes it. A signal delivered here would run the runtime's handler on
    // a thread that it does not know, and interrupt a blocking call.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(thread, &attributes, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  pthread_attr_destroy(&attributes);
  return error;
}

// What ps, top and the probes show. At most 15 characters on Linux.
inline void NameThread(const char* name) {
#if defined(__APPLE__)
  pthread_setname_np(name);
#elif defined(__linux__) || defined(__FreeBSD__)
  pthread_setname_np(pthread_self(), name);
#endif
}

}  // namespace underloop::blocking
