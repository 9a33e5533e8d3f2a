// Lets the prebuilt binary load where glibc and libstdc++ are as old as the oldest ones that Node.js 20 itself runs on
// (2.28 and 3.4.21). A linker takes the newest version of each function, also where an older one does as well: these
// stand before it and call the older one. Only in prebuilds (see scripts/prebuild.js); a binary compiled for its own machine needs none of it.
#include <features.h>

#ifdef __GLIBC__
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// The version that the first glibc of each processor gave to everything.
#if defined(__x86_64__)
#define UNDERLOOP_BASE "GLIBC_2.2.5"
#define UNDERLOOP_SETNAME "GLIBC_2.12"
#elif defined(__aarch64__)
#define UNDERLOOP_BASE "GLIBC_2.17"
#define UNDERLOOP_SETNAME "GLIBC_2.17"
#else
#error "old_glibc.cc: name this processor's first glibc version here"
#endif

#define UNDERLOOP_OLD(version, result, name, parameters, arguments) \
  __asm__(".symver old_" #name "," #name "@" version);              \
  extern "C" result old_##name parameters;                          \
  extern "C" __attribute__((visibility("hidden"))) result name parameters { return old_##name arguments; }

using Routine = void* (*)(void*);

// Since 2.34 these belong to libc itself, and have a version that says so.
UNDERLOOP_OLD(UNDERLOOP_BASE, void*, dlopen, (const char* path, int mode), (path, mode))
UNDERLOOP_OLD(UNDERLOOP_BASE, void*, dlsym, (void* handle, const char* name), (handle, name))
UNDERLOOP_OLD(UNDERLOOP_BASE, int, dladdr, (const void* address, void* info), (address, info))
UNDERLOOP_OLD(UNDERLOOP_BASE, int, pthread_create,
              (pthread_t * thread, const pthread_attr_t* attributes, Routine routine, void* argument),
              (thread, attributes, routine, argument))
UNDERLOOP_OLD(UNDERLOOP_BASE, int, pthread_join, (pthread_t thread, void** result), (thread, result))
UNDERLOOP_OLD(UNDERLOOP_BASE, int, pthread_detach, (pthread_t thread), (thread))
UNDERLOOP_OLD(UNDERLOOP_BASE, int, pthread_attr_setstacksize, (pthread_attr_t * attributes, size_t bytes),
              (attributes, bytes))
UNDERLOOP_OLD(UNDERLOOP_SETNAME, int, pthread_setname_np, (pthread_t thread, const char* name),
              (thread, name))
UNDERLOOP_OLD(UNDERLOOP_BASE, int, pthread_sigmask, (int how, const sigset_t* set, sigset_t* old),
              (how, set, old))

extern "C" {

// New in 2.33; what stood in its place before was no function of the library.
__attribute__((visibility("hidden"))) int fstat64(int fd, struct stat64* status) noexcept {
  return static_cast<int>(syscall(SYS_fstat, fd, status));
}
__attribute__((visibility("hidden"))) int stat64(const char* path, struct stat64* status) noexcept {
  return static_cast<int>(syscall(SYS_newfstatat, AT_FDCWD, path, status, 0));
}

// New in 2.32. 0: the C++ library takes it that there are more threads, and counts atomically.
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;

// New in 2.30, for std::condition_variable::wait_for. When the time of day is set meanwhile, this one wakes sooner or
// later than asked, as all C++ programs did before.
__attribute__((visibility("hidden"))) int pthread_cond_clockwait(pthread_cond_t* condition,
                                                                 pthread_mutex_t* mutex, clockid_t clock,
                                                                 const timespec* until) {
  timespec now, time_of_day;
  clock_gettime(clock, &now);
  clock_gettime(CLOCK_REALTIME, &time_of_day);
  constexpr long kSecondNs = 1'000'000'000;
  time_of_day.tv_sec += until->tv_sec - now.tv_sec;
  time_of_day.tv_nsec += until->tv_nsec - now.tv_nsec;
  if (time_of_day.tv_nsec < 0) {
    time_of_day.tv_nsec += kSecondNs;
    time_of_day.tv_sec--;
  } else if (time_of_day.tv_nsec >= kSecondNs) {
    time_of_day.tv_nsec -= kSecondNs;
    time_of_day.tv_sec++;
  }
  return pthread_cond_timedwait(condition, mutex, &time_of_day);
}

// The rest is libstdc++'s, by the names that its functions have for the linker.

// Changed in 3.4.30 only in what happens to a thread that is cancelled; ours are not.
__asm__(
    ".symver old_condition_wait,_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE@GLIBCXX_3.4.11");
void old_condition_wait(void* condition, void* lock);
__attribute__((visibility("hidden"))) void condition_wait(void* condition, void* lock) __asm__(
    "_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE");
void condition_wait(void* condition, void* lock) { old_condition_wait(condition, lock); }

// New in 3.4.29: new[] of more bytes than there are addresses. Without exceptions the end, there and here.
__attribute__((visibility("hidden"), noreturn)) void bad_array_length() __asm__(
    "_ZSt28__throw_bad_array_new_lengthv");
void bad_array_length() { abort(); }

// New in 3.4.26, for std::make_shared without type information: compares with a name that programs with type
// information use. None of ours does.
__attribute__((visibility("hidden"))) bool is_make_shared(const void* type) __asm__(
    "_ZNSt19_Sp_make_shared_tag5_S_eqERKSt9type_info");
bool is_make_shared(const void*) { return false; }

}  // extern "C"
#endif
